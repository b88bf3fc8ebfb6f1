"""What users do with the environments that the role conda_envs installs."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.fleet_hosts import ROOT, Fleet
from tests.support.paths import CHECKOUT

ACTIVATE = f". {ROOT}/miniconda/etc/profile.d/conda.sh && conda activate"
PRINT = "import numpy, sys; print(numpy.__version__, sys.prefix)"


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash"])
@pytest.mark.parametrize("user", ["ml", "guest"])
def test_environment_is_activated_by_one_line(fleet: Fleet, shell: str, user: str) -> None:
    told = fleet.run("timer-m", f"{shell} -c '{ACTIVATE} train && python -c \"{PRINT}\"'", user)
    assert re.fullmatch(rf"\d+\.\d+\.\d+ {ROOT}/generations/train/[0-9a-f]{{12}}\n", told), told


def test_environment_is_activated_in_fish(fleet: Fleet) -> None:
    line = f'source {ROOT}/miniconda/etc/fish/conf.d/conda.fish; conda activate train; python -c "{PRINT}"'
    assert f"{ROOT}/generations/train/" in fleet.run("timer-m", f"fish -c '{line}'")


@pytest.mark.parametrize("host", ["timer-m", "cron-m"])
def test_lockstep_run_needs_no_login_and_no_environment_variables(fleet: Fleet, host: str) -> None:
    told = fleet.run(host, f"env -i {ROOT}/bin/lockstep-run train python -c '{PRINT}'")
    assert f"{ROOT}/generations/train/" in told


def test_another_user_cannot_write(fleet: Fleet) -> None:
    for path in ("envs/train/x", "envs/train/conda-meta/x", "pkgs/x", "miniconda/x", "state/x", "bin/x"):
        assert "Permission denied" in fleet.run("timer-m", f"touch {ROOT}/{path}", "guest", rc=1)
    told = fleet.run("timer-m", f"{ROOT}/bin/lockstep-run train python -m pip install numpy", "guest", rc=1)
    assert "externally-managed" in told


def test_second_environment_shares_files_by_hard_links(fleet: Fleet) -> None:
    """Environments share files with the cache and with each other."""
    alone = int(fleet.run("timer-m", f"du -sb {ROOT}/envs/serve/").split()[0])
    both = int(
        fleet.run(
            "timer-m", f"du -scb {ROOT}/pkgs {ROOT}/generations/train {ROOT}/generations/serve | tail -n 2 | head -n 1"
        ).split()[0]
    )
    assert both < alone / 2, f"{both} of {alone} bytes are serve's own"


def test_running_processes_keep_their_generation_during_an_update(fleet: Fleet) -> None:
    """One is started by activation and one by lockstep-run; both import late, after the update and a clean."""
    old = fleet.run("timer-m", f"readlink {ROOT}/envs/train").strip().rsplit("/", 1)[1]
    jobs = {
        "/tmp/late-1": fleet.start_late_imports("timer-m", "/tmp/late-1", f"{ACTIVATE} train && exec python"),
        "/tmp/late-2": fleet.start_late_imports("timer-m", "/tmp/late-2", f"exec {ROOT}/bin/lockstep-run train python"),
    }
    specs = fleet.state / "specs"
    shutil.rmtree(specs, ignore_errors=True)
    shutil.copytree(CHECKOUT / "local/envs", specs)
    text = (specs / "train.yml").read_text()
    older = re.sub(r"- numpy\b.*", "- numpy 2.2.4", text)
    assert older != text
    (specs / "train.yml").write_text(older)
    fleet.play("playbooks/lock.yml", "-e", "env=train", "-e", f"lockstep_envs_dir={specs}")
    fleet.apply("conda_envs", "--limit", "timer-m")
    new = fleet.run("timer-m", f"readlink {ROOT}/envs/train").strip().rsplit("/", 1)[1]
    assert new != old
    fleet.run("timer-m", f"{ROOT}/bin/lockstep-clean --min-age-days 0 --keep-previous 0", rc=None)
    for flag, job in jobs.items():
        assert f"/generations/train/{old}/" in fleet.finish_late_imports("timer-m", flag, job)
    assert f"/generations/train/{new}/" in fleet.run(
        "timer-m", f"{ROOT}/bin/lockstep-run train python -c '{PRINT}; print(numpy.__file__)'"
    )
