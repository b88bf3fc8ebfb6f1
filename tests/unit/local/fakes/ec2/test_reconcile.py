"""Which containers the reconciler makes, starts, stops and removes, and when a first boot counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.fakes.ec2 import machines, reconcile
from local.fleet.model import Fleet
from tests.support.local_samples import SUBNET, instance

H100 = json.dumps(machines.gpu("p5.48xlarge"), sort_keys=True)


def container(state: str = "running", identity: str = "i-a-01", spec: str = "s") -> dict[str, Any]:
    return {"State": state, "Labels": {"lockstep.instance": identity, "lockstep.spec": spec}}


@pytest.mark.parametrize(
    ("instance_state", "present", "accepted", "actions"),
    [
        ("running", None, None, ["make"]),
        ("running", container(), H100, ["keep"]),
        ("running", container(), "", ["keep"]),
        ("running", container(), None, ["accept"]),  # cut off before the first boot was checked
        ("running", container("created"), None, ["make"]),  # cut off before it was started
        ("running", container("exited"), H100, ["start"]),
        ("running", container("paused"), H100, ["unpause"]),  # which podman does not start
        ("running", container(), "{}", ["retype"]),
        ("running", container("exited"), "{}", ["retype"]),
        ("running", container(identity="i-old"), H100, ["make"]),
        ("running", container(spec="old"), H100, ["make"]),
        ("running", {"State": "running", "Labels": None}, None, ["make"]),
        ("stopped", container(), H100, ["stop"]),
        ("stopped", container("exited"), H100, ["keep"]),
        ("stopped", container(identity="i-old"), None, ["remove"]),
        ("stopped", None, None, []),
        ("terminated", container(), H100, ["remove"]),
        ("terminated", None, None, []),
    ],
)
def test_plan(instance_state: str, present: dict[str, Any] | None, accepted: str | None, actions: list[str]) -> None:
    wanted = machines.machines([instance(state=instance_state)], SUBNET)
    fleet = Fleet("s", SUBNET, tuple(m.host for m in wanted))
    there = {"lockstep-s-a-01": present} if present else {}
    checked = {} if accepted is None else {"i-a-01": accepted}
    steps = reconcile.plan(fleet, wanted, there, {"a-01": "s"}, checked)
    assert [step.action for step in steps] == actions


def test_the_channel_stays() -> None:
    fleet = Fleet("s", SUBNET, ())
    present = {"lockstep-s-channel": container(), "lockstep-s-b-01": container()}
    assert [step.container for step in reconcile.plan(fleet, [], present, {}, {})] == ["lockstep-s-b-01"]


GOOD = {"code": 0, "result": {"datasource": "DataSourceNoCloud [seed=x]", "errors": []}, "marker": True, "units": ""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"code": 1}, "exit code 1"),
        ({"result": {"datasource": "DataSourceNoCloud", "errors": ["broken"]}}, "broken"),
        ({"result": {"datasource": "DataSourceNone", "errors": []}}, "another datasource"),
        ({"result": {}}, "another datasource"),
        ({"marker": False}, "did not run to its end"),
        ({"units": "foo.service loaded failed failed x\n"}, "units failed at boot: foo.service"),
    ],
)
def test_verdict(change: dict[str, Any], said: str) -> None:
    found = reconcile.verdict({**GOOD, **change})
    assert said in found
    assert bool(found) == bool(change)


def test_seed(tmp_path: Path) -> None:
    (machine,) = machines.machines([instance()], SUBNET)
    reconcile.seed(tmp_path / "t", machine, b"#cloud-config\n")
    nocloud = tmp_path / "t/var/lib/cloud/seed/nocloud"
    assert (nocloud / "user-data").read_bytes() == b"#cloud-config\n"
    assert json.loads((nocloud / "meta-data").read_text()) == {"instance-id": "i-a-01", "local-hostname": "a-01"}
    assert "H100 80GB HBM3 (simulated)" in (tmp_path / "t/etc/lockstep-simulated-gpu").read_text()
    assert (tmp_path / "t/usr/bin/nvidia-smi").is_symlink()
