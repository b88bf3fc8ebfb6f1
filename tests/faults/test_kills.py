"""SIGKILL to the whole group at enumerated operations and at random times: what is live stays whole, the next run
heals.

A sample by default; LOCKSTEP_FAULTS=all takes every point.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.damage import damage_of
from tests.support.killed_build import open_store
from tests.support.paths import CHECKOUT
from tests.support.tiny_channel import Channel, make_channel, make_store
from tests.support.waiting import until

KILLED = CHECKOUT / "tests/support/killed_build.py"
FAST = build.Options(pip_check=False)
ALL = os.environ.get("LOCKSTEP_FAULTS") == "all"


class Lab:
    """A root with train 1.0 live, and the plan of train 2.0."""

    def __init__(self, base: Path) -> None:
        self.base, self.root = base, base / "root"
        self.channel: Channel = make_channel(base / "channel")
        make_store(self.root)
        self.old = self.channel.plan("train", "python", "alpha=1.0", "gamma")
        self.new = self.channel.plan("train", "python", "alpha=2.0", "beta", variables={"A": "b"})
        build.build(self.store, self.old, FAST)
        subprocess.run(["cp", "-al", self.root, base / "kept"], check=True)
        for name, plan in (("old", self.old), ("new", self.new)):
            (base / f"{name}.json").write_text(json.dumps(plan))

    @property
    def store(self) -> Store:
        return open_store(str(self.root))

    def reset(self) -> None:
        fs.remove(str(self.root))
        # state files are rewritten in place in places: copies, not links
        subprocess.run(["cp", "-a", self.base / "kept", self.root], check=True)

    def command(self, what: str, number: int, plan: str = "new") -> list[str]:
        return [sys.executable, str(KILLED), str(self.root), str(self.base / f"{plan}.json"), what, str(number)]

    def run(self, what: str, number: int, plan: str = "new") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(what, number, plan), capture_output=True, text=True, start_new_session=True, check=False
        )

    def live(self) -> str:
        """The version that a user gets now; what is published is whole."""
        name = self.store.published("train")
        assert name and damage_of(self.store.path("train", name), "hashes") == []
        code = "import alpha; print(alpha.__version__)"
        done = subprocess.run([f"{self.store.envs}/train/bin/python", "-I", "-c", code], capture_output=True, text=True)
        return done.stdout.strip()

    def heal(self) -> None:
        result = build.build(self.store, self.new, FAST)
        assert self.live() == "2.0"
        assert build.inspect(self.store, self.new, "hashes").state == "complete"
        assert build.inspect(self.store, self.new).beside == []
        assert self.store.previous("train") == self.old["digest"][:12]
        items = {path.name for path in Path(self.store.path("train")).iterdir()}
        assert not [name for name in items if name.endswith((".new", ".trash"))], items
        again = build.build(self.store, self.new, FAST)
        assert not again["changed"], (result, again)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


def points(total: int, sample: int) -> list[int]:
    everything = list(range(1, total + 1))
    return everything if ALL else sorted(random.Random(total).sample(everything, min(sample, total)))


@pytest.mark.parametrize(("what", "sample"), [("build", 25), ("activate", 8)])
def test_build_killed_at_an_operation_is_completed_by_the_next(lab: Lab, what: str, sample: int) -> None:
    lab.reset()
    if what == "activate":
        build.stage(lab.store, lab.new, FAST)
        fs.remove(str(lab.base / "staged"))
        subprocess.run(["cp", "-a", lab.root, lab.base / "staged"], check=True)
    clean = lab.run(what, 0)
    assert clean.returncode == 0, clean.stderr
    total = int(clean.stdout)
    assert total > 5
    for number in points(total, sample):
        lab.reset()
        if what == "activate":
            fs.remove(str(lab.root))
            subprocess.run(["cp", "-a", lab.base / "staged", lab.root], check=True)
        done = lab.run(what, number)
        assert done.returncode == -signal.SIGKILL, (number, total, done)
        assert lab.live() in ("1.0", "2.0"), number
        lab.heal()


def test_repair_killed_at_an_operation_is_completed_by_the_next(lab: Lab) -> None:
    lab.reset()
    build.build(lab.store, lab.new, FAST)
    total = int(lab.run("repair", 0).stdout)
    for number in points(total, 20):
        final = Path(lab.store.path("train", lab.new["digest"][:12]))
        victim = next(final.glob("lib/python*/site-packages/alpha/part7.py"))
        victim.write_text("broken(")
        assert lab.run("build", number).returncode in (-signal.SIGKILL, 0)
        # never absent, and either still the damaged one or already the whole one
        assert lab.store.published("train") == final.name and (final / "bin/python").exists()
        assert damage_of(str(final)) in ([], [f"altered {victim.relative_to(final)}"])
        lab.heal()


def test_clean_killed_at_an_operation_leaves_live_generations(lab: Lab) -> None:
    lab.reset()
    build.build(lab.store, lab.new, FAST)
    subprocess.run(["cp", "-a", lab.root, lab.base / "both"], check=True)
    total = int(lab.run("collect", 0).stdout)
    for number in points(total, 6):
        fs.remove(str(lab.root))
        subprocess.run(["cp", "-a", lab.base / "both", lab.root], check=True)
        assert lab.run("collect", number).returncode == -signal.SIGKILL
        assert lab.live() == "2.0"
        lab.store.collect("train", 0, 0)
        assert lab.store.names("train") == [lab.new["digest"][:12]]
        assert not list(Path(lab.store.path("train")).glob(".*.trash"))


def test_build_killed_at_random_times_is_completed_by_the_next(lab: Lab) -> None:
    chance = random.Random()
    lab.reset()
    began = time.monotonic()
    assert lab.run("build", 0).returncode == 0
    usual = time.monotonic() - began
    killed = 0
    for _ in range(100 if ALL else 12):
        lab.reset()
        began = time.monotonic()
        child = subprocess.Popen(
            lab.command("build", 0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.1 * usual, usual))
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            killed += 1
        else:  # the machine is quicker now than it was
            usual = min(usual, time.monotonic() - began)
        child.wait()
        assert lab.live() in ("1.0", "2.0")
        lab.heal()
    assert killed, "no round was in time"


def test_child_processes_of_a_killed_build_keep_the_lock(lab: Lab) -> None:
    """Only the parent is killed: its child still writes, so the next run has to wait for it."""
    lab.reset()
    slow = lab.root / "miniconda/bin/python"
    real = slow.read_text()
    slow.unlink()  # the copy shares nothing, but be sure
    started, go = lab.base / "started", lab.base / "go"
    for mark in (started, go):
        mark.unlink(missing_ok=True)
    slow.write_text(real.replace("exec ", f"touch {started}\nwhile [ ! -e {go} ]; do sleep 0.05; done\nexec "))
    slow.chmod(0o755)
    child = subprocess.Popen(
        lab.command("build", 0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(started.exists, "the builder has a child")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        impatient = open_store(str(lab.root))
        impatient.lock_timeout = 0.1
        with pytest.raises(build.Problem, match="a child of it is still at work"):
            build.build(impatient, lab.new, FAST)
    finally:
        go.touch()
    lab.heal()
