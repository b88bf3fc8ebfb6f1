"""What the role miniconda leaves on a host."""

from __future__ import annotations

import json

import pytest

from tests.support.fleet_hosts import ROOT, Fleet, unchanged

HOSTS = ("timer-m", "cron-m")
ACTIVATE = f". {ROOT}/miniconda/etc/profile.d/conda.sh && conda activate"


@pytest.mark.parametrize("host", HOSTS)
def test_miniconda_has_the_declared_version_and_is_frozen(fleet: Fleet, host: str) -> None:
    declared = json.loads((fleet.state / "channel.json").read_text())["version"]
    mark = json.loads(fleet.run(host, f"cat {ROOT}/miniconda/.lockstep-base.json"))
    assert mark["version"] == declared and not mark["adopted"]
    assert "frozen" in fleet.run(host, f"{ROOT}/miniconda/bin/conda install -y tqdm", rc=None).lower()


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash"])
@pytest.mark.parametrize("user", ["ml", "guest"])
def test_base_is_activated_by_one_line(fleet: Fleet, shell: str, user: str) -> None:
    told = fleet.run("timer-m", f"{shell} -c '{ACTIVATE} && python -c \"import sys; print(sys.prefix)\"'", user)
    assert told == f"{ROOT}/miniconda\n"


def test_another_user_cannot_write_to_miniconda(fleet: Fleet) -> None:
    assert "Permission denied" in fleet.run("timer-m", f"touch {ROOT}/miniconda/x", "guest", rc=1)


def test_removed_freeze_marker_is_restored(fleet: Fleet) -> None:
    fleet.run("cron-m", f"rm {ROOT}/miniconda/conda-meta/frozen")
    told = fleet.apply("miniconda", "--check")
    assert not unchanged(told) and fleet.run("cron-m", f"ls {ROOT}/miniconda/conda-meta/frozen", rc=None).count(
        "No such"
    )
    fleet.apply("miniconda")
    fleet.run("cron-m", f"test -e {ROOT}/miniconda/conda-meta/frozen")
    assert unchanged(fleet.apply("miniconda"))


def test_shell_line_is_added_only_on_request(fleet: Fleet) -> None:
    line = f". {ROOT}/miniconda/etc/profile.d/conda.sh"
    assert line not in fleet.run("timer-m", "cat ~/.bashrc", rc=None)
    fleet.apply("miniconda", "-e", "miniconda_shell_line=true", "--limit", "timer-m")
    assert fleet.run("timer-m", "cat ~/.bashrc").splitlines().count(line) == 1
