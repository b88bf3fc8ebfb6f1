"""Runs that are killed at a chosen step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    pass


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> list[int]:
    """End the run at a rename or unlink, before it takes place; counts them."""
    count = [0]

    def counted(done: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == moment:
                raise Killed
            return done(*arguments, **named)

        return inner

    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    return count
