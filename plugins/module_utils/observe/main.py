"""Looks at everything that a request asks for, and answers as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from .base import see_base, see_shell
from .condarc import see_condarc, see_strays
from .environments import see_envs, see_undeclared
from .host_files import see_files, see_folders, see_rattler
from .machine import see_disk, see_host, see_machine, user_name
from .reading import Obs, Odd, OutOfTime, Seen, reason, redact
from .schedule import see_clean

SCHEMA = 1
DEPTHS = ("names", "stats", "hashes")


def observe(request: Obs) -> Obs:
    """Look at this host.

    :param request: see the package's docstring
    :returns: the observation, schema 1; whatever could not be seen stands in its `errors`
    """
    started, root = time.monotonic(), str(request["root"])
    depth = request.get("depth") or "stats"
    workers = max(1, min(4, (os.cpu_count() or 2) // 2 or 1))
    seen = Seen(depth, int(request.get("cap") or 40), float(request.get("seconds") or 300), workers)
    if depth not in DEPTHS:
        seen.error("request", "depth {!r} is none of {}".format(depth, ", ".join(DEPTHS)))
        seen.depth = "stats"
    home, base = os.path.expanduser("~"), str(request.get("base") or os.path.join(root, "miniconda"))
    declared = request.get("envs") or {}
    result: Obs = {"schema": SCHEMA, "at": int(time.time()), "root": root, "depth": seen.depth, "user": user_name()}

    def look(key: str, function: Any, *arguments: Any) -> None:
        try:
            result[key] = function(*arguments)
        except (OSError, Odd, OutOfTime, ValueError, RecursionError, MemoryError) as error:
            seen.error(key, error)

    look("host", see_host, request, seen)
    platform = result.get("host", {}).get("platform", "")
    if not os.path.isdir(root):
        result["absent"] = True
        try:
            os.stat(root)
        except FileNotFoundError:
            pass
        except OSError as error:
            seen.error("root", error)
    else:
        look("machine", see_machine, root)
        look("disk", see_disk, root)
        look("folders", see_folders, root)
        look("base", see_base, root, base, seen)
        if request.get("shell_line"):
            look("shell", see_shell, home, str(request["shell_line"]))
        look("condarc", see_condarc, base, request.get("condarc"), seen)
        look("rattler", see_rattler, root, seen)
        look("files", see_files, root, request.get("files") or {})
        look("clean", see_clean, root, home, result["user"], request, seen)
        look("envs", see_envs, root, declared, platform, seen)
        look("undeclared", see_undeclared, root, declared, seen)
    look("strays", see_strays, base, home, os.environ, seen)
    result["errors"] = seen.errors
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


def _alarm(signum: int, frame: Any) -> None:
    raise OutOfTime("the time given for looking at this host was over")


def main(text: str) -> None:
    """Answer a request: print the observation as one line of ASCII JSON. Whatever happens, it is JSON."""
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
    os._exit(0)  # threads that hang on a dead disk are not waited for
