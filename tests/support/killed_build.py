"""One run of the project in a process of its own, which kills its whole group before its Nth dangerous operation.

usage: killed_build.py ROOT PLAN(json file) stage|build|repair|activate|collect N   (N = 0: never; prints their number)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "collections"), str(TOP)]

from ansible_collections.lockstep.fleet.plugins.module_utils.build import build  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store  # noqa: E402

count, limit = 0, 0


def step() -> None:
    global count
    count += 1
    if count == limit:
        os.killpg(0, signal.SIGKILL)


def before(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **more: Any) -> Any:
        step()
        return function(*args, **more)

    return wrapped


def half_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kill, or a power cut, may leave any part of a text."""

    def wrapped(path: str, text: str, *args: Any, **more: Any) -> Any:
        step()
        global count
        if count + 1 == limit and text:
            Path(path).write_text(text[: len(text) // 2])
        step()
        return function(path, text, *args, **more)

    return wrapped


def open_store(root: str) -> Store:
    rattler = Path(root, "rattler")
    return Store(root, tools=str(rattler / "tools-test"), rattler=str(rattler / "0.test"), lock_timeout=60)


def main() -> None:
    global limit
    root, plan_file, what, number = sys.argv[1:]
    plan = json.loads(Path(plan_file).read_text())
    store = open_store(root)
    limit = int(number)
    for name in ("rename", "replace", "symlink", "link", "unlink", "fsync", "mkdir"):
        setattr(os, name, before(getattr(os, name)))
    subprocess.Popen.__init__ = before(subprocess.Popen.__init__)  # type: ignore[method-assign]
    fs.write_file = half_written(fs.write_file)
    fs.exchange = before(fs.exchange)
    fs.sync_filesystem = before(fs.sync_filesystem)
    fs.chmod_folders = before(fs.chmod_folders)
    options = build.Options(pip_check=False)
    if what == "collect":
        store.collect("train", keep_previous=0, min_age=0)
    elif what == "activate":
        store.activate("train", plan["digest"][:12])
    else:
        getattr(build, what)(store, plan, options)
    print(count)


if __name__ == "__main__":
    main()
