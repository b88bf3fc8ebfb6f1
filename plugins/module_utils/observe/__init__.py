"""The observer: report the observed state of a host as one JSON object. It only reads.

The controller puts these modules together into one program (plugin_utils/audit/observer_bundle.py) that it pipes to
`python3 -I -S -B -`: Python 3.9, standard library, nothing written to the host. It never runs conda (`conda list` can
delete records, conda issue 14423). It follows no link out of the folders that it inspects, opens regular files only,
limits how much it reads, and reports what it could not read as an error.

Request (JSON object; all but `root` may be left out)::

    {"root": "/opt/lockstep",
     "depth": "names" | "stats" | "hashes",          names: checksums and package names; stats: size and mtime
                                                     of every file; hashes: every file's sha256
     "envs": {"train": {"linux-64": "<digest>"}},    declared digests by platform; also a string or null
     "known": {"train": "<stamp>"},                  generations to inspect only if their stamp differs
     "base": "/opt/lockstep/miniconda",
     "shell_line": ". /opt/...",                     the line that ~/.bashrc should hold, if any
     "condarc": "<sha256>",                          the text is sent back only if it differs
     "files": {"bin/lockstep-run": ["<sha256>", 493]},  files below the root, by content and mode
     "home_files": {".config/...": ["<sha256>", 420]},  files below the user's home, by content and mode
     "timer": "lockstep-clean.timer",                the user timer to inspect; if it does not run, `crontab -l` is read
     "gpu": false,                                   ask nvidia-smi too, with a timeout
     "cap": 40,                                      how many problems are listed for each environment
     "seconds": 300}                                 time limit; the rest is then reported as an error

The observation (schema 1) is described in docs/reference/report.md.
"""
