"""Retry a download as long as it makes progress."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact
from .errors import Stopped

TRIES = 6  # in a row without any progress
LONGEST = 30.0  # seconds between two tries


class TemporaryError(Exception):
    """A failure that another try may not meet; `after`: seconds that the server asked to wait."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


class WrongContent(Exception):
    """All bytes arrived, and they are not those of the expected file."""


def retry(
    source: str, once: Callable[[], None], reached: Callable[[], int], stop: threading.Event, pause: float
) -> None:
    """Call `once` until it succeeds. Give up after `TRIES` tries in a row that brought no new bytes.

    :param source: the address, for messages
    :param reached: returns how many bytes are there
    :param pause: seconds before the second try; doubled for each further one
    :raises Problem: if the tries are used up, or the content is wrong twice
    :raises Stopped: if `stop` is set
    """
    furthest, failures, wrong = -1, 0, 0
    while True:
        if stop.is_set():
            raise Stopped
        try:
            return once()
        except WrongContent as error:
            # bytes of an earlier run or of a broken proxy may be among them: once more from the start
            wrong += 1
            if wrong > 1:
                raise Problem(
                    f"{redact(source)} is not the file that is locked",
                    str(error),
                    "if the channel replaced it, lock again; if a proxy or mirror damages it, repair that",
                ) from None
        except TemporaryError as error:
            if reached() > furthest:
                furthest, failures = reached(), 0
            failures += 1
            if failures >= TRIES:
                raise Problem(
                    f"{redact(source)} cannot be downloaded",
                    f"{error} ({failures} tries)",
                    "check network and proxy (HTTPS_PROXY), then run again: what has arrived is kept",
                ) from None
            wait = max(min(pause * 2 ** (failures - 1), LONGEST), min(error.after, 2 * LONGEST))
            if stop.wait(wait):
                raise Stopped from None
