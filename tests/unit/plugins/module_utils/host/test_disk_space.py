"""Checks before anything is downloaded, and errors in words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build.rattler_errors import explain
from ansible_collections.lockstep.fleet.plugins.module_utils.host import disk_space, flock
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan

from tests.support.fake_root import plan_of

MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/export /data nfs4 rw 0 0
/dev/sdb1 /data/local\\040disk xfs rw 0 0
tmpfs /data/local\\040disk/tmp tmpfs rw 0 0
server:/export /données nfs4 rw 0 0
"""


@pytest.fixture
def mounts(tmp_path: Path) -> str:
    path = tmp_path / "mounts"
    path.write_text(MOUNTS)
    return str(path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/x", "ext4"),
        ("/data/envs", "nfs4"),
        ("/datax", "ext4"),
        ("/data/local disk/a", "xfs"),
        ("/data", "nfs4"),
        ("/données/envs", "nfs4"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(mounts: str, path: str, kind: str) -> None:
    assert disk_space.filesystem_type(path, mounts) == kind


def test_network_file_systems_are_refused(mounts: str) -> None:
    with pytest.raises(Problem, match=r"/data/envs is on a network file system \(nfs4\)"):
        disk_space.refuse_network("/data/envs", mounts)
    disk_space.refuse_network("/opt/lockstep", mounts)
    disk_space.refuse_network("/opt/lockstep", "/nonexistent")  # a system that does not tell


def plan(size: int = 0) -> InstallPlan:
    made = plan_of([(name, "1", "0") for name in ("a", "b")])
    packages = [p._replace(url=f"https://c.example/t/SECRET/{p.file_name}") for p in made.packages]
    return made._replace(packages=packages, download_bytes=size)


def test_only_what_is_missing_counts(tmp_path: Path) -> None:
    whole = disk_space.estimate(plan(1000), str(tmp_path))
    (tmp_path / "a-1-0/info").mkdir(parents=True)
    half = disk_space.estimate(plan(1000), str(tmp_path))
    assert (whole["missing"], half["missing"]) == (2, 1)
    assert whole["bytes"] == 3900 and half["bytes"] == 2150 and half["inodes"] < whole["inodes"]


def test_too_little_room_is_said_in_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_bavail, f_frsize, f_favail, f_files = 1000, 4096, 10**6, 10**7

    monkeypatch.setattr(os, "statvfs", lambda _: Disk)
    with pytest.raises(Problem) as caught:
        disk_space.need_room("/root", plan(10**9), str(tmp_path), reserve=0)
    assert "about 3.9 GB needed" in str(caught.value) and "4.1 MB free" in str(caught.value)
    Disk.f_favail = 10
    with pytest.raises(Problem, match="inodes needed, 10 free"):
        disk_space.need_room("/root", plan(1000), str(tmp_path), reserve=0)
    Disk.f_files = 0  # btrfs has no fixed number
    disk_space.need_room("/root", plan(1000), str(tmp_path), reserve=0)


@pytest.mark.parametrize(
    ("text", "says", "understood"),
    [
        ("failed to fetch a-1-0.conda\nCaused by: HTTP status error (404 )", "not have it", True),
        ("failed to fetch a-1-0.conda\nCaused by: hash mismatch when extracting", "not the file", True),
        ("failed to fetch a-1-0.conda\nCaused by: client error (Connect)\nCaused by: dns error", "be reached", True),
        ("failed to link a-1-0\nCaused by: No space left on device (os error 28)", "disk is full", True),
        ("failed to fetch a-1-0.conda\nCaused by: HTTP status server error (503 Busy)", "server fails", True),
        ("failed to link a-1-0\nCaused by: something new", "something new", False),
        ("failed to fetch a-1-0.conda\nCaused by: error for (https://h/ca-certificates-1-0.conda)\nCaused by: reset",
         "cannot be reached", True),
        ("failed to fetch a-1-0.conda\nCaused by: failed to extract ca-certificates-1-0.conda: odd", "odd", False),
        ("failed to link a-1-0.conda: 'ssl/x': copy from /r/dns/x to /r/tls: No such file or directory", "copy", False),
        ("failed to link a-1-0.conda: 'x': Too many open files (os error 24)", "ulimit -n", True),
        ("failed to link a-1-0.conda: 'x': Input/output error (os error 5)", "the disk fails", True),
        ("failed to fetch a-1-0.conda: cannot read /a/ssl-1-0.conda: No such file or directory", "not have it", True),
        ("", "ended without a word", False),
    ],
)  # fmt: skip
def test_errors_of_the_rattler_in_words(text: str, says: str, understood: bool) -> None:
    problem, known = explain(text, "", plan())
    assert says in str(problem) and known is understood
    if text:
        assert "package a-1-0" in str(problem) and "/t/<token>/" in str(problem)


def test_no_error_shows_credentials() -> None:
    text = (
        "failed to fetch a-1-0.conda\nCaused by: connect error for url (https://me:SECRET@c.example/t/SECRET/x.conda)"
    )
    assert "SECRET" not in str(explain(text, "", plan())[0])


def test_a_full_disk_has_a_remedy() -> None:
    with pytest.raises(Problem, match="make room"), flock.error_context("it cannot be done"):
        raise OSError(28, "No space left on device", "/x")


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with (
        flock.exclusive_lock(path, "a", "build", 0),
        pytest.raises(Problem, match=f"build, pid {os.getpid()}"),
        flock.exclusive_lock(path, "a", "build", 0.05),
    ):
        pass
    Path(path).write_text(json.dumps({"pid": 2**22 + 1, "since": 0, "what": "x"}))
    with flock.open_lock(path) as handle:
        assert "that process has ended" in flock.holder(handle)
        Path(path).write_text("rubbish")
        assert flock.holder(handle) == "another run is at work"
