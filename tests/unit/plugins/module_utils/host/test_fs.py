"""Operations on files and folders."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs


def test_exchange_swaps_and_remove_removes_frozen_trees(tmp_path: Path) -> None:
    frozen, other = tmp_path / "frozen", tmp_path / "other"
    (frozen / "lib").mkdir(parents=True)
    (frozen / "lib/b").write_text("b")
    fs.chmod_folders(str(frozen), 0o555)
    other.mkdir()
    fs.exchange(str(frozen), str(other))
    assert (other / "lib/b").exists() and not list(frozen.iterdir())
    fs.remove(str(other))
    fs.remove(str(other))  # nothing there is no error
    assert not other.exists()
