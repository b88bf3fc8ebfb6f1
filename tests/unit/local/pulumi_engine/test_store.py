"""One engine in the cache, whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from local.pulumi_engine import places, store
from tests.support.local_samples import programs
from tests.support.waiting import PATIENCE, until


def slow(store_folder: str, log: str, pause: float) -> None:
    def make(folder: Path) -> None:
        with Path(log).open("a") as handle:
            handle.write("made\n")
        (folder / "pulumi").write_text("half")
        time.sleep(pause)
        programs(folder)

    store.once(Path(store_folder), "engine", make)


def test_two_at_once_build_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    both = [multiprocessing.Process(target=slow, args=(str(tmp_path / "store"), str(log), 0.5)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(PATIENCE)
    assert [one.exitcode for one in both] == [0, 0]
    assert log.read_text() == "made\n"
    assert store.whole(tmp_path / "store" / "engine")


def test_a_killed_build_leaves_nothing_half_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    folder, log = tmp_path / "store", tmp_path / "log"
    victim = multiprocessing.Process(target=slow, args=(str(folder), str(log), 3600.0))
    victim.start()
    until(lambda: list(folder.glob(".making-*/pulumi")), "the build is half done")
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(PATIENCE)
    assert not (folder / "engine").exists()
    assert list(folder.glob(".making-*"))
    slow(str(folder), str(log), 0.0)
    assert store.whole(folder / "engine")
    assert not list(folder.glob(".making-*"))


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        programs(folder)
        raise places.EngineError("no network")

    with pytest.raises(places.EngineError, match="no network"):
        store.once(tmp_path, "engine", make)
    assert [entry.name for entry in tmp_path.iterdir()] == [".lock"]


def test_what_is_incomplete_is_never_published(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pulumi-language-python-exec"):
        store.once(tmp_path, "engine", lambda folder: programs(folder, names=places.PROGRAMS[:2]))
    assert not (tmp_path / "engine").exists()
