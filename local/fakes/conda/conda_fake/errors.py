"""What the fake says when something is wrong: one line of cause, never a traceback."""

from __future__ import annotations

import json
import sys
from typing import Any


class Failure(Exception):
    """A failure by conda's own name for it, so that callers who match on the name or exit code see the same.

    :param name: conda's exception name, e.g. `EnvironmentLocationNotFound`
    :param message: the cause, for people
    :param code: exit code (conda's: 1, and 2 for wrong arguments)
    :param details: further keys of conda's JSON error object
    """

    def __init__(self, name: str, message: str, code: int = 1, **details: Any) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.code = code
        self.details = details

    def report(self, as_json: bool) -> None:
        """Write the failure where conda writes it: JSON to stdout, text to stderr."""
        if as_json and self.name == "DryRunExit":
            return
        if as_json:
            known = {
                "caused_by": "None",
                "error": f"{self.name}: {self.message}",
                "exception_name": self.name,
                "exception_type": f"<class 'conda.exceptions.{self.name}'>",
                "message": self.message,
            }
            stream = sys.stdout if self.code else sys.stderr
            print(json.dumps({**known, **self.details}, indent=2, sort_keys=True), file=stream)
        else:
            print(f"\n{self.name}: {self.message}\n", file=sys.stderr)


def dry_run() -> Failure:
    """The end of every dry run: exit code 0."""
    return Failure("DryRunExit", "Dry run. Exiting.", code=0)


def unknown(what: str) -> Failure:
    """What real conda may know and this fake does not: exit code 2, and said so."""
    return Failure(
        "FakeCondaError",
        f"{what}\nThis is a fake conda, for Lockstep's offline local fleet: it knows only a few commands. "
        "Real conda comes with real Miniconda.",
        code=2,
    )
