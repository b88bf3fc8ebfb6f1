"""Which channels a conda on the host may use after the role condarc."""

from __future__ import annotations

import pytest

from tests.support.fleet_hosts import ROOT, Fleet, unchanged

ACTIVATE = f". {ROOT}/miniconda/etc/profile.d/conda.sh"


def test_user_creates_an_environment_from_the_allowed_channel(fleet: Fleet) -> None:
    create = "conda create -q -y -n mine python tqdm && conda activate mine"
    made = f"bash -c '{ACTIVATE} && {create} && python -c \"import tqdm, sys; print(sys.prefix)\"'"
    assert fleet.run("timer-m", made, "guest").strip().endswith("/home/guest/.conda/envs/mine")


@pytest.mark.parametrize("request_", ["-c bioconda tqdm", "bioconda::tqdm", "--override-channels -c bioconda tqdm"])
def test_other_channels_are_refused(fleet: Fleet, request_: str) -> None:
    command = f"CONDA_CHANNELS=bioconda bash -c '{ACTIVATE} && conda create -y -n other {request_}'"
    told = fleet.run("timer-m", command, "guest", rc=1)
    assert "NotAllowed" in told, told  # not merely unreachable, as every other channel is here


def test_condarc_of_a_user_does_not_add_channels(fleet: Fleet) -> None:
    fleet.run("cron-m", "printf 'channels: [bioconda]\\n' > ~/.condarc", "guest")
    told = fleet.run("cron-m", f"bash -c '{ACTIVATE} && conda create -y -n other bioconda::tqdm'", "guest", rc=1)
    assert "NotAllowed" in told, told
    fleet.run("cron-m", "rm ~/.condarc", "guest")


def test_edited_condarc_is_restored(fleet: Fleet) -> None:
    path = f"{ROOT}/miniconda/.condarc"
    declared = fleet.run("timer-m", f"cat {path}")
    fleet.run("timer-m", f"printf 'channels: [defaults]\\n' > {path}")
    assert "-channels: [defaults]" in fleet.apply("condarc", "--check", "--diff")
    assert "defaults" in fleet.run("timer-m", f"cat {path}"), "check mode must not write"
    fleet.apply("condarc")
    assert fleet.run("timer-m", f"cat {path}") == declared
    assert unchanged(fleet.apply("condarc"))
