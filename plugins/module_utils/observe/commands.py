"""Run commands that only read, each with a time limit."""

from __future__ import annotations

import os
import subprocess
import time

from ..host.reading import SMALL, reason
from .notes import Notes

CHILD_SECONDS = 10


def run(command: list[str], notes: Notes) -> tuple[int, str, str]:
    """Run a command and return (status, output, error); kill it when it takes too long."""
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "HOME": os.path.expanduser("~")}
    try:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        child = subprocess.Popen(command, stdin=null, stdout=pipe, stderr=pipe, env=env)
    except OSError as error:
        return 127, "", "" if isinstance(error, FileNotFoundError) else reason(error)
    try:
        out, _unused = child.communicate(timeout=min(CHILD_SECONDS, max(0.5, notes.deadline.end - time.monotonic())))
        return child.returncode, out[:SMALL].decode("utf-8", "replace"), ""
    except subprocess.TimeoutExpired:
        child.kill()
        return 124, "", f"{command[0]} did not answer within {CHILD_SECONDS} s"
