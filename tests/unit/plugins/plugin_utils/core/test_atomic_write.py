"""Files written in one step."""

import os
import time

from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import atomic_write


def test_old_temporary_files_of_killed_runs_are_removed(tmp_path):
    leftovers = [tmp_path / ".train.txt.abc.new", tmp_path / ".train.txt.def.new"]
    for leftover in leftovers:
        leftover.touch()
    os.utime(leftovers[0], (time.time() - 7200,) * 2)
    atomic_write.write(tmp_path / "train.txt", "x")
    assert [leftover.exists() for leftover in leftovers] == [False, True]


def test_files_are_written_atomically_and_readable_by_their_owner_only(tmp_path):
    path = tmp_path / "a" / "b.json"
    atomic_write.write_private(path, "one")
    atomic_write.write_private(path, "two \udce9")
    assert path.read_text() == "two \\udce9"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]
