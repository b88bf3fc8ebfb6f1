# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH118
"""`conda run`: activate, run, deactivate, in a shell of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from .errors import Failure
from .prefixes import require_environment
from .settings import Settings


def script(settings: Settings, prefix: str, command: list[str]) -> str:
    """The shell script that runs a command in an environment and keeps its exit code."""
    exe = os.environ.get("CONDA_EXE", os.path.join(settings.root_prefix, "bin", "conda"))
    text = command[0] if len(command) == 1 and "\n" in command[0] else shlex.join(command)
    lines = [f'eval "$({shlex.quote(exe)} shell.posix hook)"', f"conda activate {shlex.quote(prefix)}", text]
    scripts = sorted(Path(prefix, "etc", "conda", "deactivate.d").glob("*.sh"), key=lambda p: p.name, reverse=True)
    lines += ["_CONDA_EXE_RC=$?", *(f'. "{path}"' for path in scripts if path.is_file()), "exit $_CONDA_EXE_RC", ""]
    return "\n".join(lines)


def run(args: Namespace, settings: Settings, prefix: str) -> int:
    """`conda run [-n NAME | -p PREFIX] [-s] [--cwd FOLDER] COMMAND ...`: the command's exit code."""
    require_environment(prefix)
    command = args.executable_call[1:] if args.executable_call[:1] == ["--"] else args.executable_call
    if not command:
        raise Failure("ArgumentError", "No command specified. Please provide a command to run.", code=2)
    shell = shutil.which("bash") or shutil.which("sh")
    if not shell:
        raise Failure("CondaError", "No compatible shell found!")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", delete=False) as file:
        file.write(script(settings, prefix, command))
    pipe = None if args.no_capture_output else subprocess.PIPE
    try:
        process = subprocess.Popen(
            [shell, file.name], cwd=args.cwd or None, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace"
        )
        out, err = process.communicate()
    finally:
        Path(file.name).unlink(missing_ok=True)
    if out:
        print(out, end="", flush=True)
    if err:
        print(err, end="", file=sys.stderr)
    if process.returncode:
        print(f"\nERROR: `conda run {' '.join(command)}` failed. (See above for error)", file=sys.stderr)
    return process.returncode
