"""Mirrors that are killed, full disks, and the real channel of the local fleet, served to what people use."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.locked_package import Package, merge_depends
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import digest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror import disk_space
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Choice, Extras, Settings, Sources
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net import wheel_cache

from tests.support.mirror_samples import Site, source, tree_of, whole
from tests.support.paths import CHECKOUT
from tests.support.waiting import until

KILLED = CHECKOUT / "tests/support/killed_mirror.py"
ALL = os.environ.get("LOCKSTEP_FAULTS") == "all"
NOTHING = Extras()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a mirror `before` of its locks, and locks that changed since: something new, something to prune."""
    site = Site(tmp_path_factory.mktemp("lab"))
    site.usual()
    site.mirror(site.upstream.as_uri(), "before", extras=NOTHING)
    site.lock("dev", "train", "python", "alpha=2.0", "beta")
    site.lock("dev", "both", "python", "stranger")
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    site.mirror(site.upstream.as_uri(), "after", extras=NOTHING, prune=True)
    return site


def command(site: Site, alias: str, number: int) -> list[str]:
    return [sys.executable, str(KILLED), str(site.folder), alias, "1", str(number)]


def fresh(site: Site, start: str) -> Path:
    dest = site.folder / "m"
    shutil.rmtree(dest, ignore_errors=True)
    if start:
        shutil.copytree(site.folder / start, dest)
    return dest


def test_mirror_killed_at_any_point_stays_consistent_and_the_next_run_completes_it(lab: Site) -> None:
    with source(lab.upstream) as served:
        fresh(lab, "before")
        total = int(subprocess.run(command(lab, served.url, 0), capture_output=True, text=True, check=True).stdout)
        assert tree_of(lab.folder / "m") == tree_of(lab.folder / "after")
        points = range(1, total + 1) if ALL else sorted(random.Random(5).sample(range(1, total + 1), 14))
        killed = 0
        for number in points:
            dest = fresh(lab, "before")
            done = subprocess.run(command(lab, served.url, number), capture_output=True, text=True, check=False)
            if done.returncode == 0 and int(done.stdout) < number:
                continue  # in how many pieces a download arrives differs from run to run: this one had fewer
            assert done.returncode == -signal.SIGKILL, done.stderr
            killed += 1
            listed = whole_index(dest)
            assert listed, f"killed at {number}: clients see a channel all the time"
            lab.mirror(served.url, extras=NOTHING, prune=True)
            assert tree_of(dest) == tree_of(lab.folder / "after"), f"killed at {number} of {total}"
            assert not lab.mirror(served.url, extras=NOTHING, prune=True).changed
        assert killed > 10


def whole_index(dest: Path) -> list[str]:
    """What indexes list is there; the list of contents may be older than they are, since it is written after them."""
    kept = dest / "contents.json"
    aside = kept.rename(dest / ".contents")
    try:
        return whole(dest)
    finally:
        aside.rename(kept)


def test_download_killed_midway_is_resumed_by_the_next_run(lab: Site) -> None:
    """At any time after the first half came; what had arrived is not fetched again."""
    big = "big-1.0-htiny_0.conda"
    lab.lock("dev", "large", "python", "big")
    try:
        with source(lab.upstream) as served:
            for wait in (0.0, 0.4) if not ALL else (0.0, 0.1, 0.2, 0.4, 0.8, 1.2):
                dest = fresh(lab, "")
                served.faults = {big: ["held"]}
                served.go.clear()
                served.log.clear()
                child = subprocess.Popen(command(lab, served.url, 0), stdout=subprocess.DEVNULL)
                partial = dest / ".lockstep/partial"
                until(
                    lambda folder=partial: [p for p in folder.glob("*") if p.stat().st_size > 100_000], "half is there"
                )
                time.sleep(wait)
                child.kill()
                child.wait()
                served.go.set()
                assert not list(dest.rglob("repodata.json"))
                served.log.clear()
                lab.mirror(served.url, extras=NOTHING)
                whole(dest)
                assert served.downloads(big)[0].startswith("bytes="), "the first half was there"
                assert len(served.downloads()) < 6, "and whole files were not asked for again"
    finally:
        (lab.locks / "dev/large.conda-lock.yml").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_full_disk_leaves_a_consistent_mirror(lab: Site, disk: Path, monkeypatch: Any) -> None:
    filler = disk / "filler"
    filler.write_bytes(b"x" * 7_000_000)
    (lab.folder / "full").unlink(missing_ok=True)
    (lab.folder / "full").symlink_to(disk)
    alias = lab.upstream.as_uri()
    with pytest.raises(Problem, match=r"no room for \d files: .* needed, 1\.\d MB free.*nothing was downloaded"):
        lab.mirror(alias, "full", extras=NOTHING)
    monkeypatch.setattr(disk_space, "require_space", lambda *arguments: None)  # it fills up meanwhile
    filler.write_bytes(b"x" * 8_300_000)
    with pytest.raises(Problem, match=r"the disk of .* is full.*Remedy: make room, then run again"):
        lab.mirror(alias, "full", extras=NOTHING)
    assert not list(disk.rglob("repodata.json"))
    filler.unlink()
    lab.mirror(alias, "full", extras=NOTHING, prune=True)
    whole(disk)


def test_read_only_disk_is_reported(lab: Site, disk: Path) -> None:
    (lab.folder / "read-only").symlink_to(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(Problem, match=r"cannot be read or written.*Read-only file system"):
        lab.mirror(lab.upstream.as_uri(), "read-only", extras=NOTHING)


# -- the local fleet's channel -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A mirror of a part of the local fleet's channel: the packages that tqdm needs, served on loopback."""
    channel = wheel_cache.cache_dir() / "channel" / "current"
    if not (channel / "local-forge").is_dir():
        pytest.skip("no channel of the local fleet (make artefacts)")
    folder = tmp_path_factory.mktemp("fleet")
    index = json.loads((channel / "local-forge/linux-64/repodata.json").read_text())["packages.conda"]
    index |= json.loads((channel / "local-forge/noarch/repodata.json").read_text())["packages.conda"]
    chosen: dict[str, Any] = {}
    todo = ["tqdm", "pip"]
    while todo:
        name = todo.pop()
        if name not in chosen and not name.startswith("__"):
            file, record = next((f, r) for f, r in index.items() if r["name"] == name)
            chosen[name] = (file, record)
            todo += [spec.split()[0] for spec in record["depends"]]
    packages = tuple(
        Package("conda", name, "linux-64", r["version"], r["build"],
                f"https://conda.anaconda.org/local-forge/{r['subdir']}/{file}", r["md5"], r["sha256"],
                merge_depends(r["depends"]))
        for name, (file, r) in chosen.items()
    )  # fmt: skip
    lock = lockfile.Lock(packages, ("linux-64",), ("local-forge",))
    (folder / "locks/dev").mkdir(parents=True)
    (folder / "locks/dev/tools.conda-lock.yml").write_text(lock.dumps())
    facts = json.loads((channel / "summary.json").read_text())
    rattler = next((channel / "rattler").iterdir())
    extras = Extras(
        (facts["version"],), {facts["installer"]: facts["sha256"]},
        ({"linux-64": {"file": rattler.name, "sha256": digest.sha256_file(rattler)}},),
    )  # fmt: skip
    sources = Sources(str(channel), str(channel / "miniconda"), str(channel / "rattler"))
    settings = Settings(folder / "m", folder / "locks", Choice(("dev",)), extras=extras, sources=sources)
    made = run(settings, True)
    assert len(made.fetched) == len(packages) + 2
    with source(folder / "m") as served:
        yield served, channel, packages


def test_mirror_has_the_layout_of_the_local_channel(fleet: Any) -> None:
    served, channel, _ = fleet
    for path in tree_of(served.folder):
        if not path.startswith("contents") and not path.endswith("repodata.json"):
            assert (channel / path).read_bytes() == (served.folder / path).read_bytes()
    for subdir in ("linux-64", "noarch"):
        theirs = json.loads((channel / "local-forge" / subdir / "repodata.json").read_text())["packages.conda"]
        ours = json.loads((served.folder / "local-forge" / subdir / "repodata.json").read_text())["packages.conda"]
        for name, record in ours.items():
            assert record == {k: v for k, v in theirs[name].items() if k != "indexed_timestamp"}, (
                "as py-rattler indexes"
            )


SOLVE = """
import asyncio, os, sys
from rattler import install, solve
async def main():
    found = await solve(sources=[sys.argv[1]], specs=["tqdm", "pip"], platforms=["linux-64", "noarch"],
                        virtual_packages=__import__("rattler").VirtualPackage.detect())
    await install(found, target_prefix=sys.argv[2], cache_dir=sys.argv[2] + ".cache", show_progress=False)
asyncio.run(main())
os._exit(0)
"""


def test_py_rattler_installs_from_the_mirror(fleet: Any, tmp_path: Path) -> None:
    served, _, _ = fleet
    for n, alias in enumerate((served.url, served.folder.as_uri())):
        prefix = tmp_path / f"env{n}"
        command = [sys.executable, "-c", SOLVE, f"{alias}/local-forge", str(prefix)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"HOME": str(tmp_path)}
        )
        assert done.returncode == 0, done.stderr
        said = subprocess.run(
            [prefix / "bin/python", "-c", "import tqdm; print(tqdm.__version__)"], capture_output=True
        )
        assert said.stdout.startswith(b"4."), said.stderr


def conda_of(name: str, fleet: Any, tmp_path: Path) -> list[str]:
    """The command of a conda: the fake of the mirrored installer, a real one, or micromamba."""
    if name == "fake":
        installer = next((fleet[0].folder / "miniconda").glob("*.sh"))
        made = subprocess.run(
            ["bash", installer, "-b", "-p", tmp_path / "base"], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        return [str(tmp_path / "base/bin/conda")]
    if name == "real":
        real = os.environ.get("LOCKSTEP_REAL_CONDA")
        return [real] if real else pytest.skip("LOCKSTEP_REAL_CONDA is not set")
    return [shutil.which(name) or pytest.skip(f"no {name} on PATH")]


@pytest.mark.parametrize("name", ["fake", "real", "micromamba"])
def test_conda_uses_the_mirror_as_a_channel(fleet: Any, tmp_path: Path, name: str) -> None:
    """With the mirror as channel alias in .condarc, and the channel by its name alone."""
    served, _, _ = fleet
    conda = conda_of(name, fleet, tmp_path)
    for n, alias in enumerate((served.url, served.folder.as_uri())):
        home = tmp_path / f"home{n}"
        home.mkdir()
        (home / ".condarc").write_text(
            f"channel_alias: {alias}\nchannels: [local-forge]\ndefault_channels: []\npkgs_dirs: [{home}/pkgs]\n"
        )
        prefix = home / "env"
        done = subprocess.run(
            [*conda, "create", "-y", "-q", "-p", prefix, "tqdm", "pip"], capture_output=True, text=True, check=False,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "CONDA_SOLVER": os.environ.get("CONDA_SOLVER", "")}
            | ({} if os.environ.get("CONDA_SOLVER") else {"CONDA_SOLVER": "classic"} if name == "real" else {}),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        said = subprocess.run(
            [prefix / "bin/python", "-c", "import tqdm; print(tqdm.__version__)"], capture_output=True
        )
        assert said.stdout.startswith(b"4."), said.stderr
