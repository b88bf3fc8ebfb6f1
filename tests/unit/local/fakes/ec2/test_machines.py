"""Which machines the instances of the emulated EC2 are."""

from __future__ import annotations

from typing import Any

import pytest

from local.fakes.ec2 import machines
from local.fleet.errors import FleetError
from tests.support.local_samples import SUBNET, instance


def test_an_instance_is_a_machine() -> None:
    (machine,) = machines.machines([instance()], SUBNET)
    assert (machine.name, machine.identity, machine.running) == ("a-01", "i-a-01", True)
    assert (machine.host.address, machine.host.suite) == ("10.98.0.4", "trixie")
    assert (machine.host.gpu["name"], machine.host.gpu["count"]) == ("NVIDIA H100 80GB HBM3", 8)


@pytest.mark.parametrize(("kind", "count"), [("c7i.large", 0), ("g5.12xlarge", 4), ("g5.xlarge", 1), ("p5.4xlarge", 1)])
def test_gpus_by_type(kind: str, count: int) -> None:
    assert machines.gpu(kind).get("count", 0) == count


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_what_is_ending_is_no_machine(state: str) -> None:
    assert machines.machines([instance(state=state)], SUBNET) == []


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([instance(Tags=[])], "is no host name"),
        ([instance(name="A_1")], "is no host name"),
        ([instance(PrivateIpAddress="192.168.0.1")], "is not in the VPC's"),
        ([instance(PrivateIpAddress="")], "address none"),
        ([instance(PrivateIpAddress="10.98.0.2")], "is taken"),
        ([instance(), instance(InstanceId="i-2")], "two instances have the name a-01: i-a-01 and i-2"),
    ],
)
def test_instances_that_cannot_be_hosts(items: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(FleetError, match=said):
        machines.machines(items, SUBNET)
