"""Define the error that users see, and end commands with it."""

from __future__ import annotations

import sys
from collections.abc import Callable


class FleetError(Exception):
    """An error for the user at the terminal: what failed, and what to do."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}\n  {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy


def reported(command: Callable[[], int]) -> int:
    """Run a command; returns its exit code. Errors are two lines, not tracebacks; interrupted is 130."""
    try:
        return command()
    except FleetError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error}\n  nothing half made is kept; remove the cause and run it again", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 1
