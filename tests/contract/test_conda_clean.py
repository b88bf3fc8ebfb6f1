"""`conda clean`, which the fleet's timer calls: what goes, what stays, what is only said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.subjects import Conda


def plant(cache: Path, name: str, size: int = 1000) -> Path:
    """A package that nothing uses."""
    (cache / name / "info").mkdir(parents=True)
    (cache / name / "info" / "index.json").write_text("{}")
    (cache / name / "data").write_bytes(b"x" * size)
    return cache / name


@pytest.fixture
def filled(user: Conda) -> Conda:
    """A user with one environment, a cache, one unused package, one unused archive, an index cache and a log."""
    user.ok("create", "-y", "-n", "train", "alpha=1", "beta")
    cache = user.home / "pkgs"
    for archive in cache.glob("*.tar.bz2"):  # conda keeps them, the fake does not
        archive.unlink()
    plant(cache, "unused-1.0-0")
    (cache / "old-1.0-0.conda").write_bytes(b"y" * 500)
    (cache / "part-1.0-0.tar.bz2.partial").write_bytes(b"z" * 100)
    (cache / "cache").mkdir(exist_ok=True)
    (cache / "cache" / "1234.json").write_text("{}")
    return user


def packages(user: Conda) -> list[str]:
    return sorted(p.name for p in (user.home / "pkgs").iterdir() if (p / "info").is_dir())


def test_unused_packages_go_and_used_ones_stay(filled: Conda) -> None:
    text = filled.ok("clean", "-p", "-y")
    assert "Will remove 1 (1002 B) package(s)." in text or "Will remove 1 (1 KB) package(s)." in text
    assert packages(filled) == ["alpha-1.0-0", "beta-1.5-0"]
    assert (filled.home / "envs/train/share/alpha.txt").exists()
    assert (filled.home / "pkgs/old-1.0-0.conda").exists()
    assert "There are no unused package(s) to remove." in filled.ok("clean", "-p", "-y")


def test_packages_of_a_removed_environment_go(filled: Conda) -> None:
    filled.ok("env", "remove", "-y", "-n", "train")
    filled.ok("clean", "--packages", "-y")
    assert packages(filled) == []


def test_json(filled: Conda) -> None:
    found = filled.json("clean", "-p", "-t", "-i", "-y")
    cache = str(filled.home / "pkgs")
    assert found["success"] is True
    assert found["packages"]["pkg_sizes"] == {cache: {"unused-1.0-0": 1002}}
    assert found["packages"]["pkgs_dirs"] == {cache: ["unused-1.0-0"]} and found["packages"]["total_size"] == 1002
    assert found["packages"]["warnings"] == []
    assert found["tarballs"]["pkg_sizes"] == {cache: {"old-1.0-0.conda": 500, "part-1.0-0.tar.bz2.partial": 100}}
    assert found["index_cache"]["files"] == [f"{cache}/cache"]
    assert packages(filled) == ["alpha-1.0-0", "beta-1.5-0"] and not (filled.home / "pkgs/cache").exists()


def test_dry_run(filled: Conda) -> None:
    before = sorted(p.name for p in (filled.home / "pkgs").iterdir())
    done = filled("clean", "-a", "-y", "--dry-run")
    assert done.returncode == 0 and "Dry run. Exiting." in done.stderr and "Will remove 1" in done.stdout
    found = json.loads(filled("clean", "-a", "-y", "--dry-run", "--json").stdout)
    assert found["packages"]["total_size"] == 1002 and {"tarballs", "index_cache", "tempfiles", "logfiles"} <= set(
        found
    )
    assert sorted(p.name for p in (filled.home / "pkgs").iterdir()) == before


def test_archives_and_index(filled: Conda) -> None:
    text = filled.ok("clean", "-t", "-i", "-y")
    assert "Will remove 2 (600 B) tarball(s)." in text and "Will remove 1 index cache(s)." in text
    assert packages(filled) == ["alpha-1.0-0", "beta-1.5-0", "unused-1.0-0"]
    text = filled.ok("clean", "-t", "-i", "-y")
    assert "There are no unused tarball(s) to remove." in text and "There are no index cache(s) to remove." in text


def test_verbose_names_them(filled: Conda) -> None:
    text = filled.ok("clean", "-p", "-y", "-v")
    assert "unused-1.0-0" in text and f"Removed {filled.home}/pkgs/unused-1.0-0" in text


def test_no_is_no(filled: Conda) -> None:
    done = filled("clean", "-p", stdin="n\n")
    assert done.returncode == 0 and "unused-1.0-0" in packages(filled)
    assert filled("clean", "-p", stdin="y\n").returncode == 0
    assert "unused-1.0-0" not in packages(filled)


def test_a_target_is_needed(user: Conda) -> None:
    user.fails("ArgumentError", "clean", "-y", code=2)


def test_a_cache_without_its_list_is_not_seen(filled: Conda) -> None:
    (filled.home / "pkgs/urls.txt").unlink()
    assert "There are no unused package(s) to remove." in filled.ok("clean", "-p", "-y")
    assert "unused-1.0-0" in packages(filled)
    (filled.home / "pkgs/urls.txt").touch()
    filled.ok("clean", "-p", "-y")
    assert "unused-1.0-0" not in packages(filled)


def test_one_hard_link_keeps_a_package(filled: Conda) -> None:
    package = plant(filled.home / "pkgs", "kept-1.0-0")
    os.link(package / "data", filled.home / "elsewhere")
    filled.ok("clean", "-p", "-y")
    assert "kept-1.0-0" in packages(filled)


def test_soft_links_into_the_cache_are_not_seen(filled: Conda) -> None:
    package = plant(filled.home / "pkgs", "soft-1.0-0")
    (filled.home / "elsewhere").symlink_to(package / "data")
    filled.ok("clean", "-p", "-y")
    assert "soft-1.0-0" not in packages(filled)


def test_folders_that_are_no_packages_stay(filled: Conda) -> None:
    (filled.home / "pkgs/whatever").mkdir()
    (filled.home / "pkgs/whatever/file").write_text("x")
    filled.ok("clean", "-p", "-t", "-i", "-y")
    assert (filled.home / "pkgs/whatever/file").exists()


def test_all_caches_are_cleaned(filled: Conda) -> None:
    second = filled.home / "second"
    plant(second, "other-1.0-0")
    (second / "urls.txt").touch()
    filled.rc.write_text(filled.rc.read_text().replace("pkgs]", f"pkgs, {second}]"))
    assert set(filled.json("clean", "-p", "-y")["packages"]["pkg_sizes"]) == {str(filled.home / "pkgs"), str(second)}
    assert not (second / "other-1.0-0").exists()


def test_without_any_cache(user: Conda) -> None:
    assert "There are no unused package(s) to remove." in user.ok("clean", "-p", "-y")
