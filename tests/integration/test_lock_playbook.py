"""playbooks/lock.yml as people run it: with an inventory, and with nothing but a folder of specs."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.small_channel import usual


@pytest.fixture
def play(tmp_path):
    """Runs the playbook for a site in a folder; returns (exit code, output)."""
    usual(tmp_path / "channels")
    (tmp_path / "envs").mkdir()
    inventory = tmp_path / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("dev: {hosts: {gpu-1: {lockstep_envs: [serve]}}}\n")
    (inventory / "group_vars" / "all.yml").write_text(
        f"lockstep_envs: [train]\nlockstep_envs_dir: {tmp_path}/envs\nlockstep_locks_dir: {tmp_path}/envs/locks\n"
        "lockstep_tiers: [first, second]\nlockstep_platforms: [linux-64, osx-arm64]\n"
        f"lockstep_system_requirements: {{cuda: '12.8'}}\n"
        f"lockstep_channel_alias: http://127.0.0.1:9\nlockstep_repodata_alias: {tmp_path}/channels\n"
    )
    for name in ("train", "serve", "spare"):
        (tmp_path / "envs" / f"{name}.yml").write_text(f"name: {name}\ndependencies: [python 3.12.*, numpy]\n")

    def run(*arguments):
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(inventory),
            "playbooks/lock.yml",
            *arguments,
        ]
        environment = os.environ | {"LOCKSTEP_CACHE": str(tmp_path / "cache"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    run.folder = tmp_path
    return run


def test_lock_is_checked_made_and_kept(play):
    locks = play.folder / "envs" / "locks" / "first"
    code, output = play("--check")
    assert code == 2 and "There is no lock yet: " in output and not locks.exists()
    code, output = play("--diff")
    assert code == 0 and "changed=1" in output and "linux-64: new, 3 packages" in output
    assert sorted(path.name for path in locks.iterdir()) == ["serve.conda-lock.yml", "train.conda-lock.yml"], (
        "what hosts hold"
    )

    (play.folder / "envs" / "train.yml").write_text("dependencies: [python 3.12.*, numpy <2]\n")
    code, output = play("--check", "--diff", "-e", "env=train")
    assert code == 2 and "~ numpy 2.0 -> 1.26" in output and "no lock yet" not in output
    assert re.search(
        r"Stale: \S+train.conda-lock.yml. The spec, its smoke test, the system requirements or a variable of the",
        output,
    )
    assert play("--check", "-e", "env=serve")[0] == 0


def test_findings_end_the_run_and_change_nothing(play):
    (play.folder / "envs" / "train.yml").write_text("channels: [defaults]\ndependencies: [python 3.12.*, numpi]\n")
    code, output = play()
    assert code == 2 and "envs/train.yml:1:12: error defaults: " in output and "Traceback" not in output
    (play.folder / "envs" / "train.yml").write_text("dependencies: [python 3.12.*, numpi]\n")
    code, output = play()
    assert code == 2 and "did you mean numpy?" in output and not (play.folder / "envs" / "locks").exists()


def test_fuzzy_pin_is_an_error_until_the_spec_is_locked(play):
    (play.folder / "envs" / "train.yml").write_text("dependencies:\n  - python 3.12.*\n  - numpy=1\n")
    arguments = ("-e", "env=train", "--diff")
    code, output = play("--check", *arguments)
    assert code == 2 and "envs/train.yml:3:5: error fuzzy-pin: 'numpy=1' accepts every 1.*" in output
    assert "There is no lock yet: " in output and "Stale: " not in output
    assert "linux-64: new, 3 packages" in output, "what it would come to is shown all the same"
    code, output = play(*arguments)
    assert code == 0 and "warning fuzzy-pin" in output
    code, output = play("--check", *arguments)
    assert code == 0 and "warning fuzzy-pin" in output and " error " not in output


def test_killed_run_is_reported_and_completed(play):
    locks = play.folder / "envs" / "locks"
    assert play()[0] == 0
    lock = locks / "first" / "train.conda-lock.yml"
    whole = lock.read_text()
    cut = whole.replace("created_by: lockstep", "created_by: lockstep\n    a: b")
    file = {"path": "first/train.conda-lock.yml", "old": hashlib.sha256(cut.encode()).hexdigest(), "new": whole}
    about = {"what": "lock", "tier": "first", "envs": ["serve", "train"]}
    journal = locks / ".unfinished.json"
    journal.write_text(json.dumps({"schema": 1, "about": about, "files": [file]}))
    lock.write_text(cut)
    code, output = play("--check", "-e", "env=serve")
    assert code == 2 and "A run that was killed is to be completed: locks of serve, train for first. " in output
    assert "Stale: " not in output and lock.read_text() == cut
    code, output = play("-e", "env=serve")
    assert code == 0 and "a run that was killed was completed: locks of serve, train for first" in output
    assert lock.read_text() == whole and not journal.exists()


def test_invalid_extra_variables_are_refused(play):
    code, output = play("-e", "env=trian")
    assert code == 2 and "no spec for trian" in output and "Traceback" not in output
    code, output = play("-e", "update=nump")
    assert code == 2 and "update=nump" in output
    code, output = play("-e", "lockstep_tiers=dev,test")
    assert code == 2 and "lockstep_tiers: 'dev,test' is not a valid tier name" in output
