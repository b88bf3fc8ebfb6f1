"""An engine that is installed already."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .places import OLDEST, say


def version(program: str) -> tuple[int, ...] | None:
    """Ask a Pulumi CLI for its version, e.g. (3, 272, 0); None where it does not run or answer."""
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        answer = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, env=quiet, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", answer.stdout.strip())
    return tuple(int(part) for part in found.groups()) if found else None


def on_path(search: str | None = None) -> Path | None:
    """Return the folder of a usable Pulumi on PATH, or None; one that cannot be used is named with its reason.

    :param search: another PATH to look through
    """
    program = shutil.which("pulumi", path=search)
    if program is None:
        return None
    folder = Path(program).parent
    found = version(program)
    if found is None:
        say(f"{program} does not run; looking elsewhere")
        return None
    if found < OLDEST:
        say(f"{program} is {'.'.join(map(str, found))}, older than {'.'.join(map(str, OLDEST))}; looking elsewhere")
        return None
    host = shutil.which("pulumi-language-python", path=search)
    if host is None and not (Path(program).resolve().parent / "pulumi-language-python").exists():
        say(f"{program} came without pulumi-language-python; looking elsewhere")
        return None
    return folder
