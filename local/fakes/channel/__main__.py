"""``python -m local.fakes.channel``: have the offline channel and installer, and say where."""

from __future__ import annotations

import fcntl
import sys
import time

from local.fakes.channel import build
from local.fleet import paths
from local.fleet.__main__ import say
from local.fleet.errors import FleetError


def main() -> int:
    """Build what is missing; errors are two lines, not tracebacks."""
    started = time.monotonic()
    try:
        (paths.cache() / "channel").mkdir(parents=True, exist_ok=True)
        with (paths.cache() / "channel" / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = build.ensure(say)
    except FleetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: no channel was written: {error}\n  free space for {paths.cache()}, or set LOCKSTEP_CACHE",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; run it again to go on", file=sys.stderr)
        return 130
    facts = build.summary(folder)
    print(
        f"channel: Python {facts['python']}, {facts['packages']} packages, {facts['installer']} "
        f"({time.monotonic() - started:.1f} s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
