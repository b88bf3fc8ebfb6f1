"""The one exception that a person is meant to read: what happened, why, and what to do about it."""

from __future__ import annotations


class Problem(Exception):
    """A failure that was foreseen; it reaches the user as text, never as a traceback.

    :param message: what could not be done, naming the file, package or host part concerned
    :param cause: why, in the words of whatever refused
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
