"""The error that users read: what failed, why, and what to do."""

from __future__ import annotations


class Problem(Exception):
    """An expected failure, which users see as text without a traceback.

    :param message: what could not be done, naming the file, package or host part concerned
    :param cause: why, as the system or program reported it
    :param remedy: what a person can do about it
    """

    def __init__(self, message: str, cause: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.cause, self.remedy = message, cause, remedy

    def __str__(self) -> str:
        parts = [self.message.rstrip(".")]
        if self.cause:
            parts.append("Cause: " + self.cause.strip().rstrip("."))
        if self.remedy:
            parts.append("Remedy: " + self.remedy.strip().rstrip("."))
        return ". ".join(parts) + "."
