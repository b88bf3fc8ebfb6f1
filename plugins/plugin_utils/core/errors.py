"""Define the base of the controller's errors: what failed, why, and what to do."""

from __future__ import annotations


class ControllerError(ValueError):
    """An error in three parts; its text is `what: cause; remedy`.

    :param what: what failed, naming the file, variable or package
    :param cause: why; empty if `what` says it
    :param remedy: what the user can do; empty if the cause says it
    """

    def __init__(self, what: str, cause: str = "", remedy: str = "") -> None:
        super().__init__(what, cause, remedy)
        self.what, self.cause, self.remedy = what, cause, remedy

    @property
    def problem(self) -> str:
        """The text without the remedy: `what: cause`."""
        return f"{self.what}: {self.cause}" if self.cause else self.what

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem
