"""Report the progress of a long build on a host while its module still runs.

The build writes what it does into its lock's file on the host; the controller reads that file from time to time.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator

GROWTH = 1.5  # each pause is this many times as long as the one before: ten lines for half an hour
LONGEST = 300.0  # seconds; the longest pause


@contextlib.contextmanager
def watch(read: Callable[[], str], report: Callable[[str, float], None], first: float) -> Iterator[None]:
    """Read the lock's text at growing intervals while the block runs, and report what the build does.

    An exception of `read` or `report` ends the watching, not the block. A block that ends before the first reading
    costs nothing.

    :param read: returns the text of a lock's file (`module_utils.host.flock.tell` writes it)
    :param report: called with the current activity, and the seconds since the start
    :param first: seconds until the first reading
    """
    ended = threading.Event()

    def poll() -> None:
        began, pause = time.monotonic(), first
        with contextlib.suppress(Exception):
            while not ended.wait(pause):
                doing = activity(read())
                if doing and not ended.is_set():
                    report(doing, time.monotonic() - began)
                pause = min(pause * GROWTH, LONGEST)

    poller = threading.Thread(target=poll, name="lockstep-progress", daemon=True)
    poller.start()
    try:
        yield
    finally:
        ended.set()
        poller.join(1.0)  # a daemon thread: one that waits for an unreachable host does not delay the end


def activity(text: str) -> str:
    """Return the activity that a lock's text names, printable and at most 200 characters; "" for any other text."""
    try:
        doing = json.loads(text)["doing"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(doing, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in doing[:200])


def line(host: str, env: str, doing: str, seconds: float) -> str:
    """Format one line: "gpu-01: train has 120 of 308 packages, 1204 MB fetched, 57 linked (1 min 15 s)"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{host}: {env} {doing} ({f'{minutes} min ' if minutes else ''}{rest} s)"
