"""Read EC2 instances as plain data for container hosts; check them before anything is made."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from local.fakes.ec2.machine_images import suite
from local.fleet.errors import FleetError
from local.fleet.model import NAME, Host

STACK_TAG = "lockstep:stack"
DRIVER, CUDA = "570.124.06", "12.8"

# Family: model as nvidia-smi names it, memory in MiB, how many by size ("" for the others).
GPUS: dict[str, tuple[str, int, dict[str, int]]] = {
    "p6-b200": ("NVIDIA B200", 183359, {"": 8}),
    "p5": ("NVIDIA H100 80GB HBM3", 81559, {"4xlarge": 1, "": 8}),
    "p5e": ("NVIDIA H200", 143771, {"": 8}),
    "p5en": ("NVIDIA H200", 143771, {"": 8}),
    "p4d": ("NVIDIA A100-SXM4-40GB", 40960, {"": 8}),
    "p4de": ("NVIDIA A100-SXM4-80GB", 81920, {"": 8}),
    "g6e": ("NVIDIA L40S", 46068, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8, "": 1}),
    "g6": ("NVIDIA L4", 23034, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8, "": 1}),
    "g5": ("NVIDIA A10G", 23028, {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8, "": 1}),
    "g4dn": ("Tesla T4", 15360, {"12xlarge": 4, "metal": 8, "": 1}),
}


@dataclass(frozen=True)
class Machine:
    """One instance and its container host."""

    identity: str
    host: Host
    running: bool

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name


def gpu(instance_type: str) -> dict[str, Any]:
    """The simulated GPU of an instance type, empty for types without one."""
    family, _, size = instance_type.partition(".")
    if family not in GPUS:
        return {}
    model, memory, counts = GPUS[family]
    count = counts.get(size, counts[""])
    return {"name": model, "memory_mib": memory, "driver": DRIVER, "cuda": CUDA, "count": count}


def machines(described: list[dict[str, Any]], subnet: ipaddress.IPv4Network) -> list[Machine]:
    """Return the existing instances of DescribeInstances by name; a FleetError names one that cannot be a host."""
    found: dict[str, Machine] = {}
    for item in described:
        state = item["State"]["Name"]
        if state in ("shutting-down", "terminated"):
            continue
        machine = Machine(item["InstanceId"], _host(item, subnet), state in ("pending", "running"))
        other = found.get(machine.name)
        if other:
            raise FleetError(
                f"two instances have the name {machine.name}: {other.identity} and {machine.identity}",
                "an update was cut off after it made one; python -m local.fakes.ec2 up ends what no stack knows",
            )
        found[machine.name] = machine
    return [found[name] for name in sorted(found)]


def _host(item: dict[str, Any], subnet: ipaddress.IPv4Network) -> Host:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    name, address = tags.get("Name", ""), item.get("PrivateIpAddress", "")
    if not NAME.fullmatch(name):
        raise FleetError(
            f"instance {item['InstanceId']}: tag Name {name!r} is no host name", "see infra/components/nodes.py"
        )
    if not address or ipaddress.IPv4Address(address) not in subnet:
        raise FleetError(f"{name} ({item['InstanceId']}): address {address or 'none'} is not in the VPC's {subnet}")
    if int(ipaddress.IPv4Address(address)) - int(subnet.network_address) < 3:
        raise FleetError(f"{name}: address {address} is taken: .1 is this machine, .2 the channel")
    return Host(name, address, suite(item["ImageId"]), gpu=gpu(item["InstanceType"]))
