"""The one error that people see."""

from __future__ import annotations


class FleetError(Exception):
    """What went wrong and what to do about it, in words for the person at the terminal."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}\n  {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy
