"""Where things are, which versions are meant, and the messages that a person sees while waiting."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
MODULES = ("cli", "host")  # the folders beside this file that hold a go.mod and a go.sum each
WRAPPER = HERE / "language-host.sh"
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
OLDEST = (3, 200, 0)  # of a CLI found on PATH: older ones do not speak the protocol of the pinned SDK


class EngineError(Exception):
    """No engine could be had; the message says what was tried and what a person can do."""


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what is expensive to make and the same for every checkout."""
    named = environ.get("LOCKSTEP_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "lockstep"


def sdk_version(requirements: Path = CHECKOUT / "requirements" / "controller.in") -> str:
    """Read the pinned version of Pulumi's SDK, which is the version of the official release to take.

    :raises EngineError: if the pin is not there
    """
    found = re.search(r"^pulumi==([0-9.]+)\s*$", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise EngineError(f"{requirements} does not pin pulumi. Remedy: restore the line `pulumi==VERSION`.")
    return found.group(1)


def built_version(module: str = "cli") -> str:
    """Read from the committed go.mod which version is built (`3.259.0`), of the CLI or of the language host.

    :raises EngineError: if go.mod does not require it
    """
    path = "pkg" if module == "cli" else "sdk"
    found = re.search(
        rf"^\s*(?:require )?github\.com/pulumi/pulumi/{path}/v3 v([0-9.]+)",
        (HERE / module / "go.mod").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if not found:
        raise EngineError(f"{HERE / module / 'go.mod'} requires no Pulumi. Remedy: restore it from version control.")
    return found.group(1)


def pins_digest() -> str:
    """Digest (8 hex digits) of all that decides what a build gives: another pin gets another folder in the cache."""
    whole = hashlib.sha256()
    for module in MODULES:
        for name in ("go.mod", "go.sum"):
            whole.update((HERE / module / name).read_bytes())
    whole.update(WRAPPER.read_bytes())
    return whole.hexdigest()[:8]


def say(text: str) -> None:
    """Print a message to standard error; standard output is for the result."""
    print(f"engine: {text}", file=sys.stderr, flush=True)
