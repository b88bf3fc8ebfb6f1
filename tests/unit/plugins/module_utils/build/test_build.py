"""Generations, built for real from a tiny channel by py-rattler: staged, activated, damaged, repaired, collected."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import MARKER, is_complete, read_marker
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.damage import damage_of
from tests.support.tiny_channel import PY, SITE, Channel, Snapshot, make_channel, make_store
from tests.support.waiting import held

ALL = ("python", "alpha", "beta", "gamma")
FAST = build.Options(pip_check=False)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "root")


def python(store: Store, code: str, env: str = "train") -> str:
    done = subprocess.run(
        [f"{store.envs}/{env}/bin/python", "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_build_is_whole_frozen_and_published(channel: Channel, store: Store) -> None:
    plan = channel.plan("train", *ALL, variables={"WHAT": "it's"}, smoke="import alpha, os\nassert os.environ['WHAT']")
    result = build.build(store, plan)
    name, final = result["name"], Path(store.path("train", result["name"]))
    assert (result["changed"], result["previous"], result["repaired"]) == (True, None, False)
    assert result["downloaded"] == ["alpha", "beta", "gamma", "python"]
    assert result["compiled"] >= 20 and result["borrowed"] == 0
    assert store.published("train") == name == plan.digest[:12]
    assert [entry[0] for entry in store.history("train")] == [name]
    assert damage_of(str(final), "hashes") == []
    marker, _ = read_marker(str(final))
    assert marker and {key: getattr(marker, key) for key in ("layout", "env", "platform", "digest", "packages")} == {
        "layout": 1, "env": "train", "platform": "linux-64", "digest": plan.digest, "packages": 4,
    }  # fmt: skip
    assert python(store, "import alpha, beta; print(alpha.__version__, beta.NAME)") == "2.0 beta"
    # the final path is inside the files, the staging path nowhere
    assert (final / "bin/beta").read_text() == f"#!/bin/sh\necho {final}/share/beta\n"
    assert (final / "bin/alpha").read_text().startswith(f"#!{final}/bin/python")
    assert subprocess.run([final / "bin/alpha"], capture_output=True, text=True).stdout == "alpha 2.0\n"
    for path in final.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert f".{name}.new".encode() not in path.read_bytes(), path
    # modes: folders frozen, nothing writable by others, records readable
    assert {path.stat().st_mode & 0o777 for path in (final, *final.rglob("*")) if path.is_dir()} == {0o555}
    assert not [p for p in final.rglob("*") if not p.is_symlink() and p.is_file() and p.stat().st_mode & 0o022]
    assert {p.stat().st_mode & 0o777 for p in final.glob("conda-meta/*")} == {0o644}
    record = json.loads(next(final.glob("conda-meta/alpha-*.json")).read_text())
    assert record["license"] == "BSD-3-Clause" and record["constrains"] == ["absent >=1"] and record["timestamp"]
    assert json.loads((final / "conda-meta/state").read_text()) == {"env_vars": {"WHAT": "it's"}, "version": 1}
    assert "alpha-2.0-pytiny_1" in (final / "conda-meta/history").read_text()
    assert json.loads((final / "conda-meta/frozen").read_text())["message"]
    assert (final / f"lib/python{PY}/EXTERNALLY-MANAGED").read_text().startswith("[externally-managed]")
    assert (final / "var/gamma").read_text() == "linked\n"  # by the post-link script
    assert not (final / "CACHEDIR.TAG").exists()
    assert (final / SITE / "alpha/__pycache__").is_dir() and (final / "etc/conda/activate.d/00-lockstep.sh").is_file()
    assert os.lstat(store.in_use_lock("train", name)).st_mode & 0o777 == 0o444
    assert store.kept_plan("train", name) == plan
    assert len(Path(store.pkgs, "urls.txt").read_text().split()) == 4
    # files are shared with the cache, not copied
    assert (final / "share/beta/text").samefile(Path(store.pkgs, "beta-1.0-htiny_0/share/beta/text"))


def test_a_second_run_changes_nothing(channel: Channel, store: Store) -> None:
    plan = channel.plan("train", *ALL)
    build.build(store, plan, FAST)
    before = {p: os.lstat(p).st_ctime_ns for p in Path(store.root).rglob("*") if "__pycache__" not in str(p)}
    again = build.build(store, plan, FAST)
    assert not again["changed"] and again["damage"] == []
    changed = [p for p, at in before.items() if os.lstat(p).st_ctime_ns != at]
    assert {p.name for p in changed} <= {"train.lock", "pkgs.lock"}


def test_an_update_borrows_bytecode_and_keeps_the_old_generation(channel: Channel, store: Store) -> None:
    old = build.build(store, channel.plan("train", "python", "alpha=1.0", "beta"), FAST)
    staged = build.stage(store, channel.plan("train", "python", "alpha=2.0", "beta"), FAST)
    assert store.published("train") == old["name"]  # staged only
    assert python(store, "import alpha; print(alpha.__version__)") == "1.0"
    assert staged["downloaded"] == ["alpha"] and staged["borrowed"] >= 1
    swap = store.activate("train", staged["name"])
    assert swap == {"changed": True, "previous": old["name"]}
    assert python(store, "import alpha; print(alpha.__version__)") == "2.0"
    assert damage_of(store.path("train", old["name"]), "hashes") == []
    # another environment borrows from this one
    other = build.build(store, channel.plan("serve", "python", "alpha=2.0"), FAST)
    assert other["compiled"] == 0 and other["borrowed"] >= 20 and not other["downloaded"]


def test_byte_code_that_cannot_be_shared_is_compiled(
    channel: Channel, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.build(store, channel.plan("other", "python", "alpha"), FAST)
    paths = store.names

    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refuse)
    # another environment's generation goes while siblings are looked for
    monkeypatch.setattr(store, "names", lambda env: [*paths(env), "collected"])
    result = build.build(store, channel.plan("train", *ALL), FAST)
    assert result["compiled"] >= 20 and result["borrowed"] == 0


@pytest.mark.parametrize("how", ["truncated", "altered in place", "missing", "extra", "mark"])
def test_damage_is_found_and_repaired_under_a_running_process(channel: Channel, store: Store, how: str) -> None:
    plan = channel.plan("train", *ALL)
    final = Path(store.path("train", build.build(store, plan, FAST)["name"]))
    running = subprocess.Popen(
        [final / "bin/python", "-I", "-c", "import sys; sys.stdin.read(1); import beta; print(beta.NAME, end='')"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    victim = final / SITE / "alpha/part3.py"
    if how == "truncated":
        victim.write_text("")
    elif how == "altered in place":
        status = victim.stat()
        victim.write_text("VALUE = 4\n")
        os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert build.inspect(store, plan, "stats").state == "complete"  # what only hashes can see
    elif how == "missing":
        victim.parent.chmod(0o755)
        victim.unlink()
        victim.parent.chmod(0o555)
    elif how == "extra":
        (final / SITE).chmod(0o755)
        (final / SITE / "stray.py").write_text("")
        (final / SITE).chmod(0o555)
    else:
        (final / MARKER).write_text("")
    found = build.inspect(store, plan, "hashes")
    assert found.state == "damaged" and len(found.damage) == 1, found
    result = build.build(store, plan, FAST._replace(verify="hashes"))
    assert result["changed"] and result["repaired"] and result["damage"] == [str(item) for item in found.damage]
    assert damage_of(str(final), "hashes") == []
    assert running.communicate(b"x")[0] == b"beta"
    assert {p.name for p in final.parent.iterdir()} == {final.name, f".{final.name}.inuse"}
    assert build.inspect(store, plan, "hashes").state == "complete"


ENTRY = "import subprocess\nassert subprocess.run(['alpha'], capture_output=True, text=True).stdout == 'alpha 2.0\\n'"


def test_damage_that_entry_points_lead_to_keeps_no_repair_from_its_test(channel: Channel, store: Store) -> None:
    plan = channel.plan("train", *ALL, smoke=ENTRY)
    final = Path(store.path("train", build.build(store, plan, FAST)["name"]))
    (final / "bin").chmod(0o755)
    (final / "bin/python").unlink()
    result = build.build(store, plan, FAST)
    assert result["repaired"] and "file-missing bin/python" in result["damage"]
    assert damage_of(str(final), "hashes") == []
    assert {path.name for path in final.parent.iterdir()} == {f".{final.name}.inuse", final.name}


def test_a_repair_that_fails_its_test_in_both_places_leaves_what_was_there(channel: Channel, store: Store) -> None:
    plan = channel.plan("train", *ALL)
    final = Path(store.path("train", build.build(store, plan, FAST)["name"]))
    (final / "share").chmod(0o755)
    (final / "share/extra").write_text("mine")
    with pytest.raises(Problem, match=r"the smoke test failed; what was live before still is.*no luck"):
        build.build(store, plan._replace(smoke="raise SystemExit('no luck')"), FAST)
    assert (final / "share/extra").read_text() == "mine" and is_complete(str(final))
    assert {path.name for path in final.parent.iterdir()} == {f".{final.name}.inuse", final.name}


def test_what_a_killed_run_left_at_the_final_path_is_in_no_tests_way(channel: Channel, store: Store) -> None:
    plan = channel.plan("train", *ALL, smoke=ENTRY)
    final = Path(store.path("train", plan.digest[:12]))
    (final / "lib").mkdir(parents=True)
    final.chmod(0o555)
    with pytest.raises(Problem, match="no luck"):
        build.build(store, plan._replace(smoke="raise SystemExit('no luck')"), FAST)
    (final / "lib").mkdir(parents=True)
    result = build.build(store, plan, FAST)
    assert not result["repaired"] and damage_of(str(final), "hashes") == []


def test_a_link_moved_elsewhere_is_put_back(channel: Channel, store: Store, tmp_path: Path) -> None:
    plan = channel.plan("train", "python", "alpha")
    name = build.build(store, plan, FAST)["name"]
    link = Path(store.envs, "train")
    link.unlink()
    link.symlink_to(tmp_path)
    assert store.published("train") is None
    assert build.build(store, plan, FAST)["changed"]
    assert store.published("train") == name
    link.unlink()
    link.mkdir()
    with pytest.raises(Problem, match="not a link"):
        build.build(store, plan, FAST)


def test_incomplete_generations_are_not_published(channel: Channel, store: Store) -> None:
    store.prepare()
    Path(store.path("train", "0123456789ab")).mkdir(parents=True)
    with pytest.raises(Problem, match="not complete"):
        store.activate("train", "0123456789ab")


@pytest.fixture(scope="module")
def kept(channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, list[str]]:
    root = tmp_path_factory.mktemp("collect") / "root"
    store = make_store(root)
    plans = [channel.plan("train", *what) for what in (("alpha=1.0", "python"), ("alpha", "python"), ALL)]
    names = [build.build(store, plan, FAST)["name"] for plan in plans]
    return Snapshot(root), names


class TestCollect:
    @pytest.fixture
    def store(self, kept: tuple[Snapshot, list[str]]) -> Store:
        kept[0].restore()
        return Store(str(kept[0].root), lock_timeout=10)

    @pytest.fixture
    def names(self, kept: tuple[Snapshot, list[str]]) -> list[str]:
        return kept[1]

    def test_keeps_the_published_and_the_previous(self, store: Store, names: list[str]) -> None:
        assert store.collect("train", keep_previous=1, min_age=0) == {"removed": names[:1], "in_use": []}
        assert store.names("train") == sorted(names[1:])
        assert store.kept_plan("train", names[0]) is None and store.kept_plan("train", names[1])

    def test_keeps_what_is_young(self, store: Store, names: list[str]) -> None:
        assert store.candidates("train", 0, 3600) == []
        assert sorted(store.candidates("train", 0, 3600, time.time() + 7200)) == sorted(names[:2])

    def test_keeps_what_is_holding_in_use_lock(self, store: Store, names: list[str]) -> None:
        with held(store.in_use_lock("train", names[0]), "-s"):
            found = store.collect("train", keep_previous=0, min_age=0)
        assert found == {"removed": [names[1]], "in_use": [names[0]]}
        assert store.collect("train", keep_previous=0, min_age=0)["removed"] == [names[0]]

    def test_no_swap_waits_for_a_clean_of_the_cache(self, store: Store, names: list[str]) -> None:
        store.lock_timeout = 0.2
        with Store(store.root).pkgs_alone():
            assert store.activate("train", names[0])["changed"] and store.published("train") == names[0]
            assert store.withdraw("train")

    def test_other_users_cannot_take_the_locks(self, store: Store, names: list[str]) -> None:
        """Every user who can read a file can lock it."""
        old = Path(store.state, "train.lock")
        old.chmod(0o644)
        store.activate("train", names[0])
        store.collect("train", 1, 0)
        assert {path.name: path.stat().st_mode & 0o777 for path in Path(store.state).glob("*.lock")} == {
            "train.lock": 0o600, "pkgs.lock": 0o600,
        }  # fmt: skip

    def test_keeps_what_was_staged_again(self, channel: Channel, store: Store, names: list[str]) -> None:
        for name in names[:2]:
            os.utime(store.in_use_lock("train", name), (0, 0))
            os.utime(store.path("train", name), (0, 0))
        state = Path(store.state, "train.json")
        state.write_text(json.dumps([[name, 1000.0 + i] for i, name in enumerate(names)]))
        assert sorted(store.candidates("train", 0, 3600)) == sorted(names[:2])
        assert not build.stage(store, channel.plan("train", "alpha=1.0", "python"), FAST)["changed"]
        assert store.candidates("train", 0, 3600) == [names[1]]

    def test_a_blocked_in_use_lock_holds_up_no_run(self, channel: Channel, store: Store, names: list[str]) -> None:
        """Every user who can read an in-use lock can hold it for ever."""
        os.utime(store.in_use_lock("train", names[0]), (0, 0))
        with held(store.in_use_lock("train", names[0]), "-x"):
            assert not build.stage(store, channel.plan("train", "alpha=1.0", "python"), FAST)["changed"]
        assert (
            time.time() - os.lstat(store.in_use_lock("train", names[0])).st_mtime < 600
        )  # noted as wanted all the same

    def test_an_unfinished_tree_goes_at_once(self, store: Store, names: list[str]) -> None:
        Path(store.path("train", names[0]), MARKER).write_text("")
        assert store.collect("train", 0, 3600)["removed"] == [names[0]]

    def test_withdrawing_keeps_the_generations_for_their_age(self, store: Store, names: list[str]) -> None:
        os.utime(store.in_use_lock("train", names[2]), (0, 0))
        assert store.withdraw("train") and store.published("train") is None
        assert names[2] not in store.candidates("train", 0, 3600)
        assert not store.withdraw("train")
        assert len(store.collect("train", 1, 0)["removed"]) == 3
