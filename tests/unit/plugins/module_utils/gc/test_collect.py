"""The scheduled clean: what is unused goes, what is used stays, and what happened is written down."""

from __future__ import annotations

import errno
import json
import os
import pwd
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.gc import cli, collect
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import host_files

from tests.support.damage import damage_of
from tests.support.tiny_channel import Channel, Snapshot, make_channel, make_store

FAST = build.Options(pip_check=False)

# conda's own rule for "unused": no file of a package has a second name
CONDA = """#!{python}
import os, shutil, sys
pkgs = os.environ["CONDA_PKGS_DIRS"]
with open(pkgs + "/../conda-calls", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if os.path.exists(pkgs + "/../conda-fails"):
    sys.exit("conda: something broke")
if "--packages" in sys.argv:
    for name in os.listdir(pkgs):
        base = os.path.join(pkgs, name)
        if os.path.isdir(base + "/info") and not any(
            os.lstat(os.path.join(folder, file)).st_nlink > 1 for folder, _, files in os.walk(base) for file in files):
            shutil.rmtree(base)
"""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, channel: Channel) -> Snapshot:
    """Three generations of train, the last one published."""
    root = tmp_path_factory.mktemp("clean") / "root"
    store = make_store(root)
    conda = root / "miniconda/bin/conda"
    conda.write_text(CONDA.format(python=sys.executable))
    conda.chmod(0o755)
    for what in (("alpha=1.0", "python"), ("alpha", "python"), ("alpha", "beta", "python")):
        build.build(store, channel.plan("train", *what), FAST)
    return Snapshot(root)


@pytest.fixture
def store(kept: Snapshot) -> Store:
    kept.restore()
    return Store(str(kept.root), lock_timeout=0.3)


def plant(store: Store) -> Path:
    """An unused package in the cache."""
    info = Path(store.pkgs, "unused-1.0-h_0", "info")
    info.mkdir(parents=True)
    (info / "index.json").write_text("{}")
    (info / "big").write_bytes(os.urandom(500_000))
    Path(store.pkgs, "unused-1.0-h_0.lock").write_text("")
    return info.parent


def test_unused_goes_and_used_stays(store: Store) -> None:
    unused = plant(store)
    Path(store.pkgs, ".half-extracted").mkdir()
    oldest = next(name for name in store.names("train") if name == store.history("train")[0][0])
    entry = collect.clean(store, keep_previous=1, min_age=0)
    assert entry["ok"] and entry["message"] == ""
    assert entry["removed"] == [f"train/{oldest}", "pkgs/alpha-1.0-pytiny_0", "pkgs/unused-1.0-h_0"]
    assert entry["before_bytes"] - entry["after_bytes"] > 500_000
    assert not unused.exists() and not Path(f"{unused}.lock").exists()
    assert not Path(store.pkgs, ".half-extracted").exists()
    assert Path(store.pkgs, "beta-1.0-htiny_0").is_dir()
    assert all(damage_of(store.path("train", name), "hashes") == [] for name in store.names("train"))
    assert collect.history(store) == [entry]
    assert (
        Path(store.root, "conda-calls").read_text() == "clean --index-cache --tarballs --yes\nclean --packages --yes\n"
    )
    again = collect.clean(store, keep_previous=1, min_age=0)
    assert again["removed"] == [] and len(collect.history(store)) == 2


def test_soft_linked_packages_are_never_judged_by_links(store: Store) -> None:
    unused = plant(store)
    record = next(Path(store.path("train", store.names("train")[0]), "conda-meta").glob("alpha-*.json"))
    record.write_text(record.read_text().replace('"type": 1', '"type": 2'))
    entry = collect.clean(store, keep_previous=9, min_age=0)
    assert entry["ok"] and "soft-linked" in entry["message"] and str(record) in entry["message"]
    assert unused.exists()
    assert "--packages" not in Path(store.root, "conda-calls").read_text()


def test_a_failing_conda_is_recorded(store: Store) -> None:
    Path(store.root, "conda-fails").touch()
    entry = collect.clean(store, keep_previous=1, min_age=0)
    assert not entry["ok"] and "conda: something broke" in entry["message"]
    assert entry["removed"][0].startswith("train/")  # what could be done was done
    assert collect.history(store)[-1] == entry


def test_no_clean_while_a_build_runs(store: Store) -> None:
    unused = plant(store)
    with store.locked("serve"):
        entry = collect.clean(store, keep_previous=1, min_age=0)
    assert (
        not entry["ok"] and "the package cache is busy" in entry["message"] and f"pid {os.getpid()}" in entry["message"]
    )
    assert unused.exists() and not Path(store.root, "conda-calls").exists()


def test_what_cannot_be_written_down_is_told_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "write_state", full)
    entry = collect.clean(store, keep_previous=1, min_age=0)
    assert not entry["ok"] and entry["removed"] and "clean.json cannot be written" in entry["message"]


def test_history_is_bounded_and_survives_rubbish(store: Store) -> None:
    path = Path(store.state, "clean.json")
    path.write_text("[{]")
    assert collect.history(store) == []
    path.write_text(json.dumps([{"at": i} for i in range(80)]))
    collect.remember(store, {"at": 80})
    assert [entry["at"] for entry in collect.history(store)] == list(range(31, 81))


def test_two_cleans_at_once_are_both_remembered(store: Store) -> None:
    store.lock_timeout = 60

    def some(start: int) -> None:
        for number in range(start, start + 10):
            collect.remember(store, {"at": number})

    with ThreadPoolExecutor() as pool:
        list(pool.map(some, (0, 10, 20, 30)))
    assert sorted(entry["at"] for entry in collect.history(store)) == list(range(40))


class TestCommand:
    """`lockstep-clean`, as it is installed on a host."""

    @pytest.fixture
    def command(self, store: Store) -> str:
        for path, file in host_files.host_files().items():
            full = Path(store.root, path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_text(file.text)
            full.chmod(file.mode)
        return str(Path(store.root, "bin/lockstep-clean"))

    def test_dry_run_removes_nothing(self, store: Store, command: str) -> None:
        before = store.names("train")
        done = subprocess.run([command, "--dry-run", "--min-age-days", "0"], capture_output=True, text=True, env={})
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"would remove train/{store.history('train')[0][0]}\n"
        assert store.names("train") == before and collect.history(store) == []

    def test_says_what_it_did(self, store: Store, command: str) -> None:
        plant(store)
        done = subprocess.run([command, "--min-age-days", "0"], capture_output=True, text=True, env={}, cwd="/")
        assert done.returncode == 0, done.stderr
        assert "removed pkgs/unused-1.0-h_0\n" in done.stdout and "freed " in done.stdout and not done.stderr
        assert collect.history(store)[-1]["ok"]

    def test_is_for_the_owner_alone(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """root as well would leave locks that the owner cannot open."""
        for lock in Path(store.state).glob("*.lock"):
            lock.unlink()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert cli.main(["clean", "--root", store.root]) == 1
        said = capsys.readouterr().err
        assert "belongs to" in said and f"sudo -u '{pwd.getpwuid(os.getuid()).pw_name}' {store.root}/bin" in said
        assert not list(Path(store.state).glob("*.lock"))

    def test_fails_where_anything_fails(self, store: Store, command: str) -> None:
        Path(store.root, "conda-fails").touch()
        done = subprocess.run([command], capture_output=True, text=True, env={})
        assert done.returncode == 1 and "FAILED: conda clean" in done.stdout and "Traceback" not in done.stderr
