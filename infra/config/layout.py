"""Lay out a cluster: fill in every default, name every machine, choose every address range. Pure functions."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .model import Cluster, NodeGroup

DEFAULT_AMI = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
SSM_POLICY = "AmazonSSMManagedInstanceCore"
ARCHITECTURES = {"linux-64": "x86_64", "linux-aarch64": "arm64"}


@dataclass(frozen=True)
class Zone:
    """An availability zone of a new network, and the address ranges of its subnets."""

    name: str
    private_cidr: str
    public_cidr: str


@dataclass(frozen=True)
class Group:
    """A node group with every default filled in."""

    name: str
    spec: NodeGroup
    tier: str
    platform: str
    zone: str
    ami: str
    hosts: tuple[str, ...]
    protect: bool

    @property
    def pinned(self) -> bool:
        """Return whether the AMI is pinned by its id, not read from a parameter."""
        return self.ami.startswith("ami-")


@dataclass(frozen=True)
class Layout:
    """A stack with every default filled in."""

    project: str
    stack: str
    region: str
    cluster: Cluster
    groups: tuple[Group, ...]
    zones: tuple[Zone, ...]
    egress: str
    connection: str
    protect: bool
    keys: tuple[str, ...]

    def tags(self, **more: str) -> dict[str, str]:
        """Return the tags of a resource: the stack's own, and those that name project and tier."""
        fixed = {"lockstep:stack": self.stack, "lockstep:tier": self.cluster.tier, "managed-by": "pulumi"}
        return {**self.cluster.tags, **fixed, **more}


def platform_of(instance_type: str) -> str:
    """Return the conda platform of a machine type by its name: Graviton families have a g after the generation's digit.

    >>> [platform_of(kind) for kind in ("p5.48xlarge", "g5g.xlarge", "p6e-gb200.36xlarge")]
    ['linux-64', 'linux-aarch64', 'linux-aarch64']
    """
    family = instance_type.split(".")[0]
    found = re.match(r"[a-z]+\d+([a-z]*)(-[a-z0-9]+)?", family)
    letters, chip = (found.group(1), found.group(2) or "") if found else ("", "")
    return "linux-aarch64" if "g" in letters or family == "a1" or chip.startswith("-gb") else "linux-64"


def has_own_disks(instance_type: str) -> bool | None:
    """Return whether a machine type has NVMe disks of its own, by its name; None if the name does not say."""
    found = re.match(r"([a-z]+)\d+([a-z]*)", instance_type.split(".")[0])
    if not found:
        return None
    if "d" in found.group(2):
        return True
    return False if found.group(1) in ("t", "m", "c", "r") else None


def zones_of(cidr: str, names: list[str]) -> tuple[Zone, ...]:
    """Divide a network for its zones: the i-th eighth is the i-th zone's private subnet; the last eighth, cut again in
    eight, holds the public ones. A zone that is appended moves no other.

    :raises ValueError: if the network is too small, or there are more than 6 zones
    """
    if len(names) > 6:
        raise ValueError("a network has room for 6 zones")
    eighths = list(ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=3))
    public = list(eighths[7].subnets(prefixlen_diff=3))
    return tuple(Zone(name, str(eighths[i]), str(public[i])) for i, name in enumerate(names))


def host_names(prefix: str, group: str, count: int) -> tuple[str, ...]:
    """Name a group's machines by the group and a number that never changes.

    >>> host_names("prod-", "train", 2)
    ('prod-train-01', 'prod-train-02')
    """
    return tuple(f"{prefix}{group}-{number:02d}" for number in range(1, count + 1))


def zones_available(cluster: Cluster, public: bool) -> list[str]:
    """Return the zones that a group may be in."""
    network = cluster.network
    if network.vpc_id:
        return list(network.public_subnets if public else network.private_subnets)
    return network.zones


def lay_out(cluster: Cluster, project: str, stack: str, region: str, keys: list[str]) -> Layout:
    """Fill in every default. The cluster has been checked (`infra.config.checks`).

    :param keys: public keys that may log in, those from files included
    """
    prefix = f"{stack}-" if cluster.host_prefix is None else cluster.host_prefix
    network, access = cluster.network, cluster.access
    groups = []
    for name, spec in cluster.groups.items():
        platform = spec.platform or platform_of(spec.instance_type)
        groups.append(
            Group(
                name=name,
                spec=spec,
                tier=spec.tier or cluster.tier,
                platform=platform,
                zone=spec.zone or zones_available(cluster, spec.public)[0],
                ami=spec.ami or DEFAULT_AMI.format(arch=ARCHITECTURES[platform]),
                hosts=host_names(prefix, name, spec.count),
                protect=(spec.tier or cluster.tier) == "prod" if cluster.protect is None else cluster.protect,
            )
        )
    return Layout(
        project=project,
        stack=stack,
        region=region,
        cluster=cluster,
        groups=tuple(groups),
        zones=zones_of(network.cidr, network.zones) if network.cidr else (),
        egress=network.egress or ("none" if network.vpc_id else "nat-single"),
        connection=access.connection or ("ssm" if access.ssm else "private"),
        protect=any(group.protect for group in groups),
        keys=tuple(keys),
    )
