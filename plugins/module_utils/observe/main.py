"""Inspect what a request asks for, and print the observation as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from ..host.reading import OutOfTime, reason
from ..host.redaction import redact
from ..prefix.inspection import DEPTHS
from .base import see_base, see_shell
from .condarc import see_condarc, see_unmanaged
from .environments import see_envs, see_undeclared
from .host_files import see_files, see_folders, see_rattler
from .machine import see_disk, see_host, see_machine, user_name
from .notes import Notes, Obs
from .schedule import see_clean

SCHEMA = 1


def observe(request: Obs) -> Obs:
    """Inspect this host.

    :param request: see the package's docstring
    :returns: the observation, schema 1; its `errors` hold what could not be inspected
    """
    started, root = time.monotonic(), str(request["root"])
    depth = request.get("depth") or "stats"
    workers = max(1, min(4, (os.cpu_count() or 2) // 2 or 1))
    notes = Notes(depth, int(request.get("cap") or 40), float(request.get("seconds") or 300), workers)
    if depth not in DEPTHS:
        notes.error("request", "depth {!r} is none of {}".format(depth, ", ".join(DEPTHS)))
        notes.depth = "stats"
    home, base = os.path.expanduser("~"), str(request.get("base") or os.path.join(root, "miniconda"))
    declared = request.get("envs") or {}
    result: Obs = {"schema": SCHEMA, "at": int(time.time()), "root": root, "depth": notes.depth, "user": user_name()}

    def inspect(key: str, function: Any, *arguments: Any) -> None:
        try:
            result[key] = function(*arguments)
        except (OSError, OutOfTime, ValueError, RecursionError, MemoryError) as error:
            notes.error(key, error)

    inspect("host", see_host, request, notes)
    platform = result.get("host", {}).get("platform", "")
    if not os.path.isdir(root):
        result["absent"] = True
        try:
            os.stat(root)
        except FileNotFoundError:
            pass
        except OSError as error:
            notes.error("root", error)
    else:
        inspect("machine", see_machine, root)
        inspect("disk", see_disk, root)
        inspect("folders", see_folders, root)
        inspect("base", see_base, root, base, notes)
        if request.get("shell_line"):
            inspect("shell", see_shell, home, str(request["shell_line"]))
        inspect("condarc", see_condarc, base, request.get("condarc"), notes)
        inspect("rattler", see_rattler, root, notes)
        inspect("files", see_files, root, request.get("files") or {})
        inspect("clean", see_clean, root, home, result["user"], request, notes)
        inspect("envs", see_envs, root, declared, request.get("known") or {}, platform, notes)
        inspect("undeclared", see_undeclared, root, declared, notes)
    inspect("unmanaged_condarc", see_unmanaged, base, home, os.environ, notes)
    result["errors"] = notes.errors
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


def _alarm(signum: int, frame: Any) -> None:
    raise OutOfTime("the time limit for inspecting this host has passed")


def main(text: str) -> None:
    """Answer a request: print the observation as one line of ASCII JSON. It is JSON also after an error."""
    try:
        request = json.loads(text)
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, float(request.get("seconds") or 300) + 5, 5)
        if request.get("depth") == "hashes":
            os.nice(5)  # jobs on the host come first
        result = observe(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:
        result = {"schema": SCHEMA, "errors": [{"what": "observer", "why": redact(reason(error))[:500]}]}
    sys.stdout.write(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.flush()
    os._exit(0)  # without waiting for threads
