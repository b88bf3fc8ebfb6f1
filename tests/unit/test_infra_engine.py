"""Finding, downloading, building and keeping the Pulumi engine, without network, Go or Pulumi."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import tarfile
import time
from pathlib import Path

import pytest

from local.engine import build, ensure, path, places, release, store
from local.engine.environment import settings
from tests.support.waiting import PATIENCE, until

ARCHIVE = "pulumi-v3.272.0-linux-x64.tar.gz"


def programs(folder: Path, version: str = "v3.300.0", names: tuple[str, ...] = places.PROGRAMS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)


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


def test_archive_names() -> None:
    assert release.archive_name("3.272.0", "x86_64", "Linux") == ARCHIVE
    assert release.archive_name("3.272.0", "aarch64", "Linux").endswith("linux-arm64.tar.gz")
    with pytest.raises(release.UnreachableError, match="riscv64"):
        release.archive_name("3.272.0", "riscv64", "Linux")


@pytest.mark.parametrize("listing", ["", f"{'a' * 64}  other.tar.gz\n", f"{'a' * 64}  {ARCHIVE}\n" * 2])
def test_an_archive_that_the_release_does_not_list_once_is_refused(listing: str) -> None:
    with pytest.raises(places.EngineError, match="instead of once"):
        release.checksum(listing, ARCHIVE)


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in (*places.PROGRAMS, "../outside", "deeper/file"):
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size, member.mode = 4, 0o755
            tar.addfile(member, io.BytesIO(b"#!/b"))
    return out.getvalue()


def test_a_download_is_checked_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive()
    listing = f"{hashlib.sha256(data).hexdigest()}  {ARCHIVE}\n".encode()
    monkeypatch.setattr(release, "archive_name", lambda version: ARCHIVE)
    monkeypatch.setattr(release, "fetch", lambda url: listing if url.endswith(".txt") else data)
    folder = tmp_path / "engine"
    folder.mkdir()
    release.download("3.272.0", folder)
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(places.PROGRAMS)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["engine"]
    monkeypatch.setattr(release, "fetch", lambda url: listing if url.endswith(".txt") else data + b"!")
    with pytest.raises(places.EngineError, match="thrown away"):
        release.download("3.272.0", folder)


def test_every_way_that_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(version: str, folder: Path) -> None:
        raise release.UnreachableError("no route")

    monkeypatch.setattr(ensure, "on_path", lambda: None)
    monkeypatch.setattr(ensure, "download", unreachable)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(places.EngineError, match=r"(?s)PATH has no.*no route.*no Go on PATH.*Remedy"):
        ensure.ensure(store=tmp_path)


def test_a_build_made_earlier_is_used_without_asking_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensure, "on_path", lambda: None)
    monkeypatch.setattr(ensure, "download", lambda version, folder: pytest.fail("asked the network"))
    built = tmp_path / f"{places.built_version()}-built-{places.pins_digest()}"
    programs(built)
    assert ensure.ensure(store=tmp_path) == built


def test_versions_come_from_the_committed_pins() -> None:
    assert places.sdk_version().startswith("3.")
    assert places.built_version("cli").startswith("3.")
    assert places.built_version("host") == "3.78.1"
    assert len(places.pins_digest()) == 8


def test_settings_keep_everything_in_one_folder(tmp_path: Path) -> None:
    found = settings(tmp_path / "bin", tmp_path / "state", {"PATH": "/usr/bin"})
    assert found["PATH"] == f"{tmp_path / 'bin'}:/usr/bin"
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'state' / 'stacks'}"
    assert Path(found["PULUMI_HOME"]).is_dir()
