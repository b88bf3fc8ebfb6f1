"""One look for each run: what a run has not changed is neither inspected nor hashed again."""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.action import host_info
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.observe import machine
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import observe
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix import hashing
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.modules import conda_env
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state

from tests.support.damage import rewrite, vanish
from tests.support.fake_root import SITE, FakeRoot
from tests.support.paths import CHECKOUT


class Run:
    """One run of site.yml against a host, in this process: what the plays do, in their order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fleet = FakeRoot(folder / "fleet")
        self.store = Store(str(self.fleet.root))
        self.read: Counter[tuple[int, int]] = Counter()
        real = hashing.sha256_file

        def count(path: str, *rest: Any) -> str:
            status = os.lstat(path)
            self.read[status.st_dev, status.st_ino] += "/generations/" in path
            return real(path, *rest)

        monkeypatch.setattr(hashing, "sha256_file", count)
        monkeypatch.setattr(machine, "run", lambda command, notes: (1, "", ""))
        monkeypatch.setenv("HOME", str(self.fleet.home))
        lexists = os.path.lexists
        monkeypatch.setattr(os.path, "lexists", lambda p: str(p).startswith("/var/lib/systemd/linger") or lexists(p))
        settings = {"lockstep_envs": [], "lockstep_root": str(self.fleet.root), "lockstep_reports_dir": str(folder)}
        monkeypatch.setattr(host_info, "settings_of", lambda plugin, variables: (settings, []))
        monkeypatch.setattr(host_info, "run_id", lambda plugin: "")
        monkeypatch.setattr(desired_state, "build", lambda *_: self.fleet.declared())
        monkeypatch.setattr(host_info, "pipe", self.pipe)
        monkeypatch.setattr(host_info.ActionModule, "_python", lambda *_: "/usr/bin/python3")
        monkeypatch.setattr(host_info.observer_bundle, "observer", lambda request: request)

    def pipe(self, plugin: Any, command: str, request: str) -> dict[str, Any]:
        return {"rc": 0, "stdout": json.dumps(observe(json.loads(request)))}

    def inspect(self, reuse: str = "") -> dict[str, Any]:
        """Play `Inspect every host`, or `Verify the changed hosts` with `reuse`."""
        arguments = {"depth": "hashes", "on_unknown": "fail", "fail_on_drift": bool(reuse), "gpu": False, "seconds": 60,
                     "reuse": reuse}  # fmt: skip
        action = object.__new__(host_info.ActionModule)
        result: dict[str, Any] = action.act(arguments, {"inventory_hostname": "h"})
        return result

    def module(self, env: str, state: str, verify: str) -> dict[str, Any]:
        """What module conda_env does."""
        plan = self.fleet.plans[env]
        plans = zlib.compress(json.dumps({plan.platform: plan.to_json()}).encode())
        asked = {"plans": base64.b64encode(plans).decode(), "name": env, "state": state, "verify": verify,
                 "reserve_mb": 0, "pip_check": False, "test_timeout": 60, "pip_index": ""}  # fmt: skip
        return conda_env.ensure(asked, self.store, check_mode=False)

    def site(self) -> dict[str, Any]:
        """All plays; returns what the last one found."""
        first = self.inspect()
        if first["verdict"] == "drift":
            stage = yaml.safe_load((CHECKOUT / "roles/conda_envs/tasks/stage.yml").read_text())[1]
            assert stage["lockstep.fleet.conda_env"]["verify"] == (
                "{{ 'names' if item in conda_envs_verified else conda_envs_verify }}"
            )
            activate = yaml.safe_load((CHECKOUT / "roles/conda_envs/tasks/activate.yml").read_text())[0]
            for env in self.fleet.plans:
                self.module(env, "staged", "names" if env in first["intact"] else "hashes")
                self.module(env, "present", activate["lockstep.fleet.conda_env"]["verify"])
            return self.inspect(first["id"])
        return first


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [name for name in os.environ if name.startswith("CONDA") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    made = Run(tmp_path, monkeypatch)
    yield made
    fs.remove(str(tmp_path))


def test_a_run_that_changes_nothing_hashes_each_file_once(run: Run) -> None:
    (run.fleet.root / "generations").chmod(0o777)  # drift that no role repairs, so that every play has this host
    result = run.site()
    assert result["verdict"] == "drift" and result["failed"] and result["intact"] == ["tools", "train"]
    assert "Remedy: Correct its owner and mode (0755)" in result["msg"]
    files = [path for env in ("train", "tools") for path in run.fleet.tree(env).rglob("*")]
    inodes = {(p.lstat().st_dev, p.lstat().st_ino) for p in files if p.is_file() and not p.is_symlink()}
    inodes -= {
        (path.lstat().st_dev, path.lstat().st_ino)
        for env in ("train", "tools")
        for path in (run.fleet.tree(env) / ".lockstep").iterdir()
    }
    assert inodes and {run.read[inode] for inode in inodes} == {1}
    assert sum(run.read.values()) == len(inodes)


def test_a_host_in_sync_is_inspected_once(run: Run) -> None:
    assert run.site()["verdict"] == "parity"
    assert set(+run.read) and set((+run.read).values()) == {1}


def test_a_module_call_hashes_each_file_once(run: Run) -> None:
    for state in ("staged", "present"):
        run.read.clear()
        assert not run.module("train", state, "hashes")["changed"]
        assert set((+run.read).values()) == {1}


def test_what_was_repaired_is_inspected_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that was exchanged is read again, the other one is not."""
    rewrite(run.fleet.tree("train") / SITE / "numpy/__init__.py")
    first = run.inspect()
    assert first["intact"] == ["tools"] and first["roles"] == ["conda_envs"]
    whole = run.fleet.tree("train")
    run.fleet.root.joinpath("aside").mkdir()
    whole.rename(run.fleet.root / "aside" / whole.name)
    run.fleet.build("train", [(p.name, p.version, p.build) for p in run.fleet.plans["train"].packages])
    run.read.clear()
    again = run.inspect(first["id"])
    assert again["verdict"] == "parity" and again["intact"] == ["tools", "train"]
    train = [path.lstat().st_ino for path in run.fleet.tree("train").rglob("*") if path.is_file()]
    assert {inode for _, inode in +run.read} <= set(train) and +run.read


def test_damage_that_stays_is_reported_again(run: Run) -> None:
    rewrite(run.fleet.tree("train") / SITE / "numpy/__init__.py")
    first = run.inspect()
    run.read.clear()
    again = run.inspect(first["id"])
    assert again["drift"] == first["drift"] and again["drift"] and not +run.read


@pytest.mark.parametrize("what", ["marker", "plan", "lock"])
def test_what_belongs_to_a_generation_is_compared_again(run: Run, what: str) -> None:
    first = run.inspect()
    place = run.store.place("train", run.fleet.plans["train"].generation)
    if what == "marker":
        (Path(place.tree) / ".lockstep/complete").write_text("")
    else:
        vanish(Path(place.plan_file if what == "plan" else place.in_use_lock))
    assert run.inspect(first["id"])["verdict"] == "drift"


@pytest.mark.parametrize("reuse", ["", "0" * 32])
def test_no_other_observation_is_used(run: Run, reuse: str) -> None:
    run.inspect()
    run.read.clear()
    run.inspect(reuse)
    assert +run.read


def test_another_run_that_repairs_meanwhile_is_noticed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that waited for the lock inspects again only where the stamp moved."""
    plan = run.fleet.plans["train"]
    vanish(Path(run.store.plan_file("train", plan.generation)))
    status = build.inspect(run.store, plan, "hashes")
    run.read.clear()
    assert build.stage(run.store, plan, build.Options(verify="hashes"), status)["changed"] and not +run.read
    vanish(Path(run.store.plan_file("train", plan.generation)))
    status = build.inspect(run.store, plan, "hashes")
    run.store.keep(plan, plan.generation)
    run.read.clear()
    assert not build.stage(run.store, plan, build.Options(verify="hashes"), status)["changed"]
    assert set((+run.read).values()) == {1}
