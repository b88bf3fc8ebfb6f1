"""Operations on files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest
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


@pytest.mark.parametrize("inside", ["", "/lib", "/with space"])
def test_remove_refuses_a_tree_with_a_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """What is mounted there, such as a data set, would be lost."""
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib/data").write_text("all my work")
    mounts = tmp_path / "mountinfo"
    where = f"{tree}{inside}".replace(" ", "\\040")
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 8:1 /data {where} rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(fs, "MOUNTS", str(mounts))
    with pytest.raises(OSError, match="mounted here") as raised:
        fs.remove(str(tree))
    assert raised.value.filename == f"{tree}{inside}" and (tree / "lib/data").read_text() == "all my work"
    mounts.write_text(f"40 22 8:1 /data {tree}-other rw - ext4 /dev/sda1 rw\n")
    fs.remove(str(tree))
    assert not tree.exists()
