"""One making of a mirror in a process of its own, which kills itself before its Nth dangerous operation.

usage: killed_mirror.py SITE(folder) ALIAS PRUNE(0|1) N      (N = 0: never; prints how many there were)
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "collections"), str(TOP)]

from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Choice, Settings, Sources  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.workers import Progress  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net import download  # noqa: E402

count, limit, guard = 0, 0, threading.Lock()


def step() -> None:
    global count
    with guard:
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)


def before(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **more: Any) -> Any:
        step()
        return function(*args, **more)

    return wrapped


def main() -> None:
    global limit
    folder, alias, prune, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1", int(sys.argv[4])
    limit = number
    for name in ("replace", "unlink", "rmdir", "mkdir"):
        setattr(Path, name, before(getattr(Path, name)))
    fs.sync_filesystem = before(fs.sync_filesystem)
    download.BLOCK = 1 << 15
    real = Progress.add_bytes

    def add_bytes(self: Any, got: int) -> None:
        step()
        real(self, got)

    Progress.add_bytes = add_bytes  # type: ignore[method-assign]
    settings = Settings(
        folder / "m", folder / "locks", Choice(("dev", "test", "prod")),
        sources=Sources(alias), prune=prune, parallel=2,
    )  # fmt: skip
    run(settings, True)
    print(count, flush=True)


if __name__ == "__main__":
    main()
    os._exit(0)
