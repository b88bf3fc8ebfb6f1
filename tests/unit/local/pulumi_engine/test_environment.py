"""The environment of the engine."""

from __future__ import annotations

from pathlib import Path

from local.pulumi_engine.environment import settings


def test_settings_keep_everything_in_one_folder(tmp_path: Path) -> None:
    found = settings(tmp_path / "bin", tmp_path / "state", {"PATH": "/usr/bin"})
    assert found["PATH"] == f"{tmp_path / 'bin'}:/usr/bin"
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'state' / 'stacks'}"
    assert Path(found["PULUMI_HOME"]).is_dir()
