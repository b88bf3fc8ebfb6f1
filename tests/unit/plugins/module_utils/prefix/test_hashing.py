"""Walking and hashing: processes share the work, and an error of one is an error of all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.reading import Deadline, OutOfTime
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix import hashing
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import (
    Hasher,
    entries_of,
    files_of,
    sha256_text,
)


def test_many_files_are_hashed_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (tmp_path / str(number)).write_text(str(number))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    forks = []
    fork = hashing.fork_share
    monkeypatch.setattr(hashing, "fork_share", lambda *args: (forks.append(1), fork(*args))[1])
    found = entries_of(str(tmp_path), files_of(str(tmp_path)).items())
    assert len(forks) == 1 and len(found) == 1200
    assert all(entry.sha256 == sha256_text(path) for path, entry in found.items())
    # a child that died is replaced by work of one's own; an error of a child is an error here
    monkeypatch.setattr(hashing, "read_answer", lambda child: (answer(child), None)[1])
    answer = lambda child: (os.close(child[1]), os.waitpid(child[0], 0))  # noqa: E731
    assert entries_of(str(tmp_path), files_of(str(tmp_path)).items()) == found


def test_an_unreadable_file_is_an_error_from_any_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (tmp_path / str(number)).write_text(str(number))
    listed = list(files_of(str(tmp_path)).items())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    for path, _ in listed[:2]:
        (tmp_path / path).unlink()
        with pytest.raises(FileNotFoundError):
            entries_of(str(tmp_path), listed)


def test_a_deadline_ends_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (tmp_path / str(number)).write_text(str(number))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    children: list[int] = []
    fork = hashing.fork_share
    monkeypatch.setattr(hashing, "fork_share", lambda *args: (found := fork(*args), children.append(found[0]))[0])
    with pytest.raises(OutOfTime):
        Hasher(Deadline(-1)).entries(str(tmp_path), files_of(str(tmp_path)).items())
    assert len(children) == 1
    for child in children:
        with pytest.raises(ChildProcessError):
            while os.waitpid(child, 0):
                pass


def test_an_inode_that_several_environments_share_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/file").write_text("text")
    os.link(tmp_path / "one/file", tmp_path / "two/file")
    read: list[str] = []
    real = hashing.sha256_file
    monkeypatch.setattr(hashing, "sha256_file", lambda path, *rest: (read.append(path), real(path, *rest))[1])
    hasher = Hasher(remember=True)
    found = [hasher.entries(str(tmp_path / name), files_of(str(tmp_path / name)).items()) for name in ("one", "two")]
    assert found[0] == found[1] and len(read) == 1
    (tmp_path / "two/file").write_text("texT")
    assert hasher.entries(str(tmp_path / "two"), files_of(str(tmp_path / "two")).items()) != found[0]
