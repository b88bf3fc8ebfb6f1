"""An engine found on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.pulumi_engine import path
from tests.support.local_samples import programs


def test_path_is_taken_first_unless_old_or_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs(tmp_path / "good")
    programs(tmp_path / "old", "v3.50.0")
    programs(tmp_path / "hostless", names=("pulumi",))
    programs(tmp_path / "broken", "what?")
    assert path.on_path(str(tmp_path / "good")) == tmp_path / "good"
    assert path.on_path(str(tmp_path)) is None
    for name, why in (
        ("old", "older than 3.200.0"),
        ("hostless", "pulumi-language-python"),
        ("broken", "does not run"),
    ):
        assert path.on_path(str(tmp_path / name)) is None
        assert why in capsys.readouterr().err
