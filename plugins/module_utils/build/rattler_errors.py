"""Explain the rattler runtime's errors: package, url, cause, remedy. Python 3.9, standard library."""

from __future__ import annotations

import re

from ..host.errors import Problem
from ..host.install_plan import InstallPlan
from ..host.redaction import redact

# what the text of an error holds -> (what happened, what to do); the first that matches counts
DISK = (
    (r"No space left on device|Disk quota exceeded",
     "the disk is full", "make room: bin/lockstep-clean removes retired generations and unused packages"),
    (r"Permission denied", "a file or folder is not ours to write", "give it to the user that Ansible connects as"),
    (r"Input/output error|Read-only file system", "the disk fails", "read `dmesg`, and have the disk repaired"),
    (r"Too many open files", "this user may open too few files at once",
     "raise its limit (`ulimit -n`; nofile in /etc/security/limits.conf) to 4096 or more"),
)  # fmt: skip
CHANNEL = (
    (r"hash mismatch|Invalid checksum",
     "what the channel delivers is not the file that was locked",
     "if the channel's file was replaced, lock again; if a mirror or proxy damages it, repair that"),
    (r"404 |410 |cannot read .*: No such file|No such file or directory",
     "the channel does not have it",
     "if it was withdrawn, lock again; if this is a mirror, complete it with playbooks/mirror.yml"),
    (r"407 |[Pp]roxy [Aa]uth", "the proxy refuses access", "give the host's HTTPS_PROXY a user and password"),
    (r"401 |403 ", "the channel refuses access",
     "give this host's user the channel's credentials (~/.netrc, or the file that RATTLER_AUTH_FILE names)"),
    (r"50\d ", "the channel's server fails", "run again later"),
    (r"certificate|tls|TLS|SSL", "the channel's certificate is not trusted",
     "install the site's certificate authority on the host, or name its file in SSL_CERT_FILE (lockstep_environment)"),
    (r"timed? ?out", "the channel answers too slowly", "run again; check the network between host and channel"),
    (r"error sending request|[Cc]onnect|dns|reset|error decoding response|IncompleteMessage|unexpected EOF|end of file",
     "the channel cannot be reached, or breaks off",
     "check the host's network and proxy (lockstep_environment), and lockstep_channel_alias; run again"),
)  # fmt: skip
FETCHING = re.compile(r"failed to (?:fetch|link|install) (\S+)")
WRAPPERS = re.compile(r"failed to fetch \S+\Z|failed to interact with the package cache layer\Z")
URL = re.compile(r"(?:https?|file)://[^\s)\"']+")
NAMES = re.compile(r"(?:https?|file)://[^\s)\"']+|'[^'\n]*'|(?<!\S)/\S*[^\s:]|\S+\.(?:conda|tar\.bz2)\b")
"""Urls, paths and packages: "ca-certificates" in a text says nothing of certificates."""
LINKING = re.compile(r"failed to link \S+\.(?:conda|tar\.bz2)")


def explain(text: str, package: str, plan: InstallPlan) -> tuple[Problem, bool]:
    """Turn the rattler runtime's words into a Problem; also return whether they were understood (else a second try
    may help).

    :param package: stem of the package concerned, where the caller knows it, else ""
    """
    text = URL.sub(lambda match: redact(match[0]), text.strip())
    named = FETCHING.search(text)
    stem = package or (re.sub(r"\.(conda|tar\.bz2):?$", "", named[1]) if named else "")
    url = next((redact(p.url) for p in plan.packages if p.stem == stem), "")
    what = f"environment {plan.name}: " + (f"package {stem}" if stem else "its packages") + " cannot be installed"
    what += f" from {url}" if url else ""
    lines = [line.removeprefix("Caused by: ").strip().rstrip(".") for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not WRAPPERS.match(line)] or lines  # the message says those already
    cause = ": ".join(dict.fromkeys(told))[-600:]
    bare = NAMES.sub("", text)
    for pattern, meaning, remedy in DISK if LINKING.search(text) else DISK + CHANNEL:
        if re.search(pattern, bare):
            return Problem(what, f"{meaning}: {cause}", remedy), True
    return Problem(
        what, cause or "the rattler runtime ended without a word", "run again; if it stays, report it with this text"
    ), False
