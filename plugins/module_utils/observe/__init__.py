"""The observer: what a host really has, as one JSON object. It only reads.

The controller puts these modules together into one program (plugin_utils/audit/observer_bundle.py) that it pipes to
`python3 -I -S -B -`: Python 3.9, standard library, nothing written to the host. It never runs conda (`conda list` can
delete records, conda issue 14423), follows no link out of what it inspects, opens regular files only, bounds
everything that it reads, and records what it could not read instead of leaving it out.

Request (JSON object; all but `root` may be left out)::

    {"root": "/opt/lockstep",
     "depth": "names" | "stats" | "hashes",          names: checksums and package names; stats: size and mtime
                                                     of every file; hashes: every file's sha256
     "envs": {"train": {"linux-64": "<digest>"}},    declared digests by platform; a string or null do as well
     "base": "/opt/lockstep/miniconda",
     "shell_line": ". /opt/...",                     the line that ~/.bashrc should hold, if any
     "condarc": "<sha256>",                          the text is sent back only where it is another
     "files": {"bin/lockstep-run": ["<sha256>", 493]},  files below the root, by content and mode
     "home_files": {".config/...": ["<sha256>", 420]},  files below the user's home, by content and mode
     "timer": "lockstep-clean.timer",                user timer that should be enabled; without it `crontab -l` is asked
     "gpu": false,                                   ask nvidia-smi too, with a timeout
     "cap": 40,                                      how many single problems are named for each environment
     "seconds": 300}                                 time limit; afterwards it stops, and records that

The observation (schema 1) is described in docs/reference/report.md.
"""
