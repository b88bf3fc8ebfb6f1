"""What clients read of a mirror, and the order in which they see changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem

from tests.support.mirror_samples import Site, Source, source, tree_of, whole


def test_lost_or_damaged_state_files_are_rebuilt_without_downloads(site: Site, served: Source) -> None:
    site.mirror(served.url)
    before = tree_of(site.folder / "m")
    asked = len(served.downloads())
    state = site.folder / "m/.lockstep"
    for name in ("seen", "records.json"):
        (state / name).write_text("}\x00 nonsense\n1 2 3 ../../etc/passwd\n")
    (site.folder / "m/contents.json").write_text("[" * 100_000)
    (site.folder / "m/forge/noarch/repodata.json").write_text("half of an ind")
    assert site.mirror(served.url).indexes == ["contents.json", "forge/noarch/repodata.json"]
    shutil.rmtree(state)
    assert not site.mirror(served.url).changed
    assert tree_of(site.folder / "m") == before and len(served.downloads()) == asked, "hashed, not fetched again"


def test_other_index_formats_are_removed(site: Site, served: Source) -> None:
    site.mirror(served.url)
    stale = site.folder / "m/forge/noarch/repodata.json.zst"
    stale.write_bytes(b"of another tool, and clients would prefer it")
    assert site.mirror(served.url).changed and not stale.exists()


def test_unused_channel_is_pruned_with_its_folder(site: Site, served: Source) -> None:
    site.lock("dev", "both", "python", "stranger")
    site.mirror(served.url)
    (site.locks / "dev/both.conda-lock.yml").unlink()
    site.mirror(served.url, prune=True)
    assert not (site.folder / "m/other").exists()


def test_solver_and_build_use_the_mirror_as_a_channel(site: Site, served: Source, tmp_path: Path) -> None:
    """py-rattler solves from a served mirror; a lock's plan with the mirror as channel alias builds an environment."""
    from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile

    from tests.support.tiny_channel import make_store

    path = site.lock("dev", "train", "python", "alpha=2.0", "beta")
    site.mirror(served.url)
    code = """
import asyncio, os, sys
from rattler import solve
async def main():
    found = await solve(sources=[sys.argv[1]], specs=["alpha"], platforms=["linux-64", "noarch"])
    print(sorted(f"{r.name.normalized} {r.version}" for r in found), flush=True)
asyncio.run(main())
os._exit(0)
"""
    with source(site.folder / "m") as mirror:
        for n, alias in enumerate((mirror.url, (site.folder / "m").as_uri())):
            cache = {**os.environ, "RATTLER_CACHE_DIR": str(tmp_path / "cache")}
            command = [sys.executable, "-c", code, f"{alias}/forge"]
            done = subprocess.run(command, capture_output=True, text=True, env=cache, check=False)
            assert "alpha 2.0" in done.stdout and "python 3" in done.stdout, done.stderr
            store = make_store(tmp_path / f"root{n}")
            lock = lockfile.Lock.loads(path.read_text(), "lock")
            plan = lockfile.plan(lock, "train", "linux-64", channel_alias=alias)
            assert all(package.url.startswith(f"{alias}/forge/") for package in plan.packages)
            built = generation.build(store, plan, generation.Options(pip_check=False))
            assert built["changed"] and generation.inspect(store, plan, "hashes").state == "complete"


def test_index_drops_a_file_before_it_is_removed(site: Site, served: Source, monkeypatch: Any) -> None:
    site.mirror(served.url)
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".conda":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(Problem, match=r"gamma.*cannot be read or written.*Permission denied"):
        site.mirror(served.url, prune=True)
    monkeypatch.undo()
    assert not [path for path in whole(site.folder / "m") if "gamma" in path]
    assert site.mirror(served.url, prune=True).pruned == ["forge/linux-64/gamma-1.0-htiny_0.conda"], (
        "it is not forgotten"
    )
