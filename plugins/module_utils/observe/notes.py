"""Keep the state of one observation: depth, deadline, hasher, errors."""

from __future__ import annotations

from typing import Any

from ..host.reading import Deadline, reason
from ..host.redaction import redact
from ..prefix.hashing import Hasher

Obs = dict[str, Any]
ERRORS = 50  # errors that are reported at most


class Notes:
    """The depth, the deadline and the hasher of one observation, and what could not be inspected.

    :param cap: how many files are listed for each environment
    """

    def __init__(self, depth: str = "stats", cap: int = 40, seconds: float = 300, workers: int = 1) -> None:
        self.depth, self.cap = depth, cap
        self.deadline = Deadline(seconds)
        self.hasher = Hasher(self.deadline, workers, remember=True)
        self.errors: list[dict[str, str]] = []

    def error(self, what: str, why: object) -> None:
        """Record something that could not be inspected, so that it does not count as in sync."""
        if len(self.errors) < ERRORS:
            self.errors.append({"what": what, "why": redact(reason(why))[:300]})
