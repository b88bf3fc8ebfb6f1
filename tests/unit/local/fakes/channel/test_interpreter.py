"""Which Python becomes the channel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.fakes.channel import interpreter
from local.fleet.errors import FleetError


def test_the_best_python_is_3_12_then_the_newest_that_everything_runs_on(tmp_path: Path) -> None:
    for minor in (9, 11, 12, 13):
        prefix = tmp_path / str(minor)
        for file in (f"bin/python3.{minor}", f"lib/python3.{minor}/os.py"):
            (prefix / file).parent.mkdir(parents=True)
            (prefix / file).touch()
    every = [tmp_path / str(m) for m in (9, 11, 13, 12)]
    assert interpreter.choose(every) == (tmp_path / "12", "3.12")
    assert interpreter.choose(every[:3]) == (tmp_path / "13", "3.13")
    (tmp_path / "11/lib/python3.11/os.py").unlink()
    with pytest.raises(FleetError, match="LOCKSTEP_PYTHON"):
        interpreter.choose(every[:2])


def test_glibc_is_the_newest_symbol_version() -> None:
    assert interpreter.glibc_of(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0") == (2, 34)
    assert interpreter.glibc_of(b"nothing") == (0, 0)
