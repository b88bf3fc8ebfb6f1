"""What a second user meets: a shared cache and a shared base that are not theirs to write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.subjects import Conda, install_fake


def read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture
def shared(user: Conda) -> Iterator[Path]:
    """The owner's cache, with a few packages in it, and the configuration of another user with a cache of their own."""
    user.ok("create", "-y", "-n", "first", "beta", "alpha=1")
    shared = user.home / "shared"
    (user.home / "pkgs").rename(shared)
    shutil.rmtree(user.home / "envs")
    read_only(shared)
    user.rc.write_text(user.rc.read_text().replace(f"[{user.home}/pkgs]", f"[{shared}, {user.home}/own]"))
    yield shared
    writable(shared)


def test_an_environment_from_the_shared_cache(user: Conda, shared: Path) -> None:
    user.ok("create", "-y", "-n", "mine", "beta", "alpha=1")
    assert (user.home / "envs/mine/share/alpha.txt").read_text() == "alpha 1.0\n"
    assert not (user.home / "own" / "alpha-1.0-0").exists(), "what the shared cache has is not fetched again"


def test_what_the_shared_cache_has_not_goes_to_the_own_one(user: Conda, shared: Path) -> None:
    user.ok("create", "-y", "-n", "mine", "tool", "alpha=1")
    assert (user.home / "own" / "tool-3.1-0").is_dir() and (user.home / "own" / "urls.txt").is_file()
    assert not (user.home / "own" / "alpha-1.0-0").exists()


def test_without_a_cache_to_write_to(user: Conda, shared: Path) -> None:
    user.rc.write_text(user.rc.read_text().replace(f", {user.home}/own", ""))
    error = user.fails("NoWritablePkgsDirError", "create", "-y", "-n", "mine", "tool")
    assert error["pkgs_dirs"] == [str(shared)]
    assert not (user.home / "envs/mine/conda-meta/history").exists()


def test_clean_leaves_a_shared_cache_alone(user: Conda, shared: Path) -> None:
    assert "There are no unused package(s) to remove." in user.ok("clean", "-p", "-y")
    assert user.json("clean", "-p", "-t", "-i", "-y")["packages"]["pkg_sizes"] == {}
    assert (shared / "alpha-1.0-0").is_dir()


def test_an_environment_of_somebody_else(user: Conda) -> None:
    user.ok("create", "-y", "-n", "theirs", "alpha=1")
    prefix = user.home / "envs" / "theirs"
    read_only(prefix)
    try:
        user.fails("EnvironmentNotWritableError", "install", "-y", "-n", "theirs", "beta")
        assert user.json("env", "list")["envs_details"][str(prefix)]["writable"] is False
        assert [p["name"] for p in user.json("list", "-n", "theirs")] == ["alpha"]
        assert user.ok("run", "-n", "theirs", "sh", "-c", "echo $CONDA_PREFIX") == f"{prefix}\n"
    finally:
        writable(prefix)


def test_named_environments_go_where_one_may_write(user: Conda) -> None:
    theirs, mine = user.home / "theirs", user.home / "mine"
    theirs.mkdir()
    theirs.chmod(0o555)
    user.rc.write_text(user.rc.read_text().replace(f"[{user.home}/envs]", f"[{theirs}, {mine}]"))
    user.ok("create", "-y", "-n", "new", "alpha")
    assert (mine / "new" / "conda-meta" / "history").is_file()


def test_a_base_of_somebody_else(conda: Conda) -> None:
    if conda.name == "real":
        root = conda.root
    else:  # a base of its own, since other checks use the common one
        root = conda.home / "base"
        install_fake(root)
        conda = Conda(root, conda.home, conda.name)
    history = root / "conda-meta" / "history"
    before = history.stat().st_mode
    history.chmod(0o444)
    try:
        info = conda.json("info")
        assert info["root_writable"] is False
        assert info["envs_dirs"] == [f"{conda.home}/.conda/envs", f"{root}/envs"]
        conda.fails("EnvironmentNotWritableError", "install", "-y", "-n", "base", "alpha")
    finally:
        history.chmod(before)


def test_what_the_fake_made_is_an_environment_for_both(conda: Conda, fake_root: Path, channels: Path) -> None:
    conda.rc.write_text(f"channels: [forge]\nchannel_alias: {channels.as_uri()}\npkgs_dirs: [{conda.home}/pkgs]\n")
    prefix = conda.home / "env"
    maker = Conda(fake_root, conda.home, "fake")
    maker.ok("create", "-y", "-p", prefix, "tool")
    assert conda.json("list", "-p", prefix) == maker.json("list", "-p", prefix)
    for option in ("--md5", "--sha256"):
        ours, theirs = (c.ok("list", "-p", prefix, "--explicit", option) for c in (maker, conda))
        assert ours.splitlines()[4:] == theirs.splitlines()[4:]
    assert conda.ok("run", "-p", prefix, "tool") == f"tool in {prefix} with on\n"
    assert str(prefix) in (conda.home / ".conda" / "environments.txt").read_text()
    before = conda.json("clean", "--dry-run", "-p")["packages"]
    assert before["total_size"] == 0 and before["pkg_sizes"] == {}
    conda.ok("env", "remove", "-y", "-p", prefix)
    assert set(conda.json("clean", "-y", "-p")["packages"]["pkg_sizes"][f"{conda.home}/pkgs"]) == {
        "alpha-2.0-0",
        "beta-1.5-0",
        "tool-3.1-0",
    }
