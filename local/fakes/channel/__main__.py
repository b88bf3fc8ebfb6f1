"""``python -m local.fakes.channel``: ensure the offline channel and installer, and say where."""

from __future__ import annotations

import fcntl
import sys
import time

from local.fakes.channel import build
from local.fleet import paths
from local.fleet.__main__ import say
from local.fleet.errors import reported


def main() -> int:
    """Build what is missing."""
    started = time.monotonic()
    base = paths.cache() / "channel"
    base.mkdir(parents=True, exist_ok=True)
    with (base / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = build.ensure(say)
    facts = build.summary(folder)
    print(
        f"channel: Python {facts['python']}, {facts['packages']} packages, {facts['installer']} "
        f"({time.monotonic() - started:.1f} s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(reported(main))
