"""What a host says of a long build while it runs: asked for beside the module's own call, and seldom."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator

GROWTH = 1.5  # each pause is so much longer than the one before: ten lines for half an hour
LONGEST = 300.0  # seconds


@contextlib.contextmanager
def watched(look: Callable[[], str], say: Callable[[str, float], None], first: float) -> Iterator[None]:
    """While the block runs, look now and then and say what is found.

    A look that fails ends the looking, not the block: progress is a courtesy. A block that ends sooner than the first
    look costs nothing.

    :param look: returns the text of a lock's file (`module_utils.locks.tell`)
    :param say: is given what is being done, and the seconds since the start
    :param first: seconds until the first look
    """
    ended = threading.Event()

    def ask() -> None:
        began, pause = time.monotonic(), first
        with contextlib.suppress(Exception):
            while not ended.wait(pause):
                doing = doing_of(look())
                if doing and not ended.is_set():
                    say(doing, time.monotonic() - began)
                pause = min(pause * GROWTH, LONGEST)

    asker = threading.Thread(target=ask, name="lockstep-progress", daemon=True)
    asker.start()
    try:
        yield
    finally:
        ended.set()
        asker.join(1.0)  # one that waits for a host that is gone is left to its fate


def doing_of(sign: str) -> str:
    """Return what the holder of a lock says it does; "" for anything that is not such a text."""
    try:
        doing = json.loads(sign)["doing"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(doing, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in doing[:200])


def told(host: str, env: str, doing: str, seconds: float) -> str:
    """Write one line: "gpu-01: train has 120 of 308 packages, 1204 MB fetched, 57 linked (1 min 15 s)"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{host}: {env} {doing} ({f'{minutes} min ' if minutes else ''}{rest} s)"
