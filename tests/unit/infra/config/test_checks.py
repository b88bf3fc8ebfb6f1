"""Keys that do not go together: what each such mistake is told as."""

from __future__ import annotations

from typing import Any

import pytest

from infra.config.load import ConfigError, load
from tests.support import infra_samples
from tests.support.infra_samples import EXISTING

BLOCK = {"mode": "block", "id": "cr-0123456789abcdef0", "zone": "us-east-1a"}

SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"

# Each: what is changed in a configuration that is right, and the one mistake that must be told: its key, its words.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"groups": {}}, "groups", "names no machines"),
    ({"groups__Train_1": {"instance_type": "g6.xlarge"}}, "groups.Train_1", "cannot be a group's name"),
    ({"groups__train__zone": "us-east-1c"}, "groups.train.zone", "us-east-1c is not in network.zones"),
    ({"groups__train__ami": "/aws/service/x/arm64/ami-id"}, "groups.train.ami", "Name the one for x86_64"),
    ({"groups__train__platform": "linux-aarch64"}, "groups.train.platform", "but g6.2xlarge is linux-64"),
    ({"groups__train__efa": 1}, "groups.train.placement", "Set it to cluster"),
    (
        {"groups__train__efa": 4, "groups__train__placement": "cluster", "groups__train__public": True},
        "groups.train.public",
        "no public address to machines with several adapters",
    ),
    (
        {"groups__train__placement": "spread", "groups__train__count": 8},
        "groups.train.count",
        "AWS spreads at most 7",
    ),
    (
        {"groups__train__instance_type": "t3.large", "groups__train__placement": "cluster"},
        "groups.train.instance_type",
        "takes neither efa nor placement",
    ),
    ({"groups__train__capacity": {**BLOCK, "id": None}}, "groups.train.capacity.id", "reserves and buys nothing"),
    ({"groups__train__capacity": {**BLOCK, "zone": None}}, "groups.train.capacity.zone", "Say which zone"),
    (
        {"groups__train__capacity": {**BLOCK, "mode": "reservation", "zone": "us-east-1b"}},
        "groups.train.capacity.zone",
        "is us-east-1b, but the group is in us-east-1a. Set groups.train.zone to us-east-1b",
    ),
    ({"groups__train__capacity": {**BLOCK, "mode": "spot"}}, "groups.train.capacity.id", "which spot does not use"),
    ({"groups__train__capacity": {"max_price": "3"}}, "groups.train.capacity.max_price", "but mode is on-demand"),
    ({"groups__train__root_disk": {"throughput": 1000}}, "groups.train.root_disk.throughput", "iops to 4000 or more"),
    ({"groups__train__root_disk": {"iops": 60000}}, "groups.train.root_disk.iops", "size_gb to 120 or more"),
    ({"groups__train__storage": "data"}, "groups.train.data_disk", "is missing, but storage is data"),
    ({"groups__train__data_disk": {"size_gb": 9}}, "groups.train.storage", "would lie empty"),
    (
        {"groups__train__storage": "instance-store", "groups__train__instance_type": "m7i.large"},
        "groups.train.storage",
        "m7i.large has no disks of its own",
    ),
    ({"groups__train__tags": {"aws:x": "y"}}, "groups.train.tags.aws:x", "sets itself"),
    ({"tags": {"Name": "y"}}, "tags.Name", "Choose another name"),
    ({"tags": {"x": "y" * 300}}, "tags.x", "longer than AWS takes"),
    ({"network": {}}, "network", "cidr and vpc_id are both missing"),
    ({"network__vpc_id": "vpc-0123abcd"}, "network", "are both set"),
    ({"network__cidr": "10.20.1.0/16"}, "network.cidr", "has host bits set"),
    ({"network__cidr": "8.8.0.0/16"}, "network.cidr", "not a private range"),
    ({"network__cidr": "10.0.0.0/8"}, "network.cidr", "is a /8"),
    ({"network__cidr": "10.20.0.0/255.255.0.0"}, "network.cidr", "Write it as 10.20.0.0/16"),
    ({"network__cidr": "fd00::/48"}, "network.cidr", "IPv6"),
    ({"network__cidr": "10.0.0.0/22", "groups__train__count": 200}, "network.cidr", "which has 123"),
    ({"network__zones": []}, "network.zones", "is empty"),
    ({"network__zones": ["us-east-1a", "us-east-1a"]}, "network.zones", "names us-east-1a 2 times"),
    ({"network__zones": ["us-east-1a", "eu-west-1b"]}, "network.zones[1]", "eu-west-1b is not in us-east-1"),
    ({"network__egress": "none"}, "network.egress", "SSM (access.ssm) cannot be reached"),
    ({"network__route_tables": ["rtb-0123abcd"]}, "network.route_tables", "a network that does not exist yet"),
    ({"network": {**EXISTING, "egress": "nat-single"}}, "network.egress", "its routes are its owner's"),
    ({"network": {**EXISTING, "zones": ["us-east-1a"]}}, "network.zones", "the subnets name the zones"),
    ({"network": EXISTING, "groups__train__public": True}, "groups.train.public", "has no public subnet"),
    ({"network": EXISTING, "groups__train__zone": "us-east-1b"}, "groups.train.zone", "network.private_subnets"),
    ({"access__ssh_from": ["0.0.0.0/0"]}, "access.ssh_from[0]", "opens ssh to the world"),
    ({"access__ssh_from": ["::/0"]}, "access.ssh_from[0]", "IPv6"),
    ({"access__ssh_from": ["10.0.0.0/8", "128.0.0.0/1"]}, "access.ssh_from[1]", "a large part of the world"),
    ({"access__ssh_from": ["10.1.2.3/8"]}, "access.ssh_from[0]", "no host bits set"),
    ({"access__ssm": False}, "access.ssh_from", "Ansible cannot connect by private"),
    ({"access__ssm": False, "access__connection": "ssm"}, "access.connection", "but access.ssm is false"),
    (
        {"access__connection": "public", "access__ssh_from": ["10.0.0.0/8"]},
        "groups.train.public",
        "but access.connection is public",
    ),
    ({"access__ssh_keys": []}, "access.ssh_keys", "Ansible could not log in"),
    ({"access__ssh_keys": ["ssh-rsa " + "A" * 720 + f" k{i}" for i in range(9)]}, "access.ssh_keys", "EC2 takes 16384"),
    ({"access__ssh_from": ["10.8.0.1", "10.8.0.1/32"]}, "access.ssh_from", "names 10.8.0.1/32 2 times"),
    ({"access__egress_ports": [443, 443]}, "access.egress_ports", "names 443 2 times"),
    ({"access__policies": [f"arn:aws:iam::{a}:policy/X" for a in ("aws", "1" * 12)]}, "access.policies", "X 2 times"),
    ({"access__policies": [SSM]}, "access.policies", "which access.ssm brings"),
    ({"network": {**EXISTING, "route_tables": ["rtb-0123abcd"] * 2}}, "network.route_tables", "rtb-0123abcd 2 times"),
    ({"network__cidr": "127.0.0.0/16"}, "network.cidr", "not a private range"),
    ({"tier": "all"}, "tier", "means something else to Ansible"),
    ({"groups__train__tier": "ungrouped"}, "groups.train.tier", "means something else to Ansible"),
    ({"host": {"root": "/opt"}}, "host.root", "holds what others put there"),
    ({"host": {"root": "/root"}}, "host.root", "among the system's own folders"),
    ({"host": {"user": "root"}}, "host.user", "as an ordinary user"),
    ({"host": {"root": "/usr/lockstep"}}, "host.root", "the system's own folders"),
    ({"host_prefix": "x" * 60 + "-"}, "groups.train", "over 63 characters"),
    ({"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/a"}, "kms_key", "is not a key of us-east-1"),
]


@pytest.mark.parametrize(
    ("changes", "path", "words"), WRONG, ids=[f"{path}-{n}" for n, (_, path, _) in enumerate(WRONG)]
)
def test_each_mistake_is_told_alone_with_its_key_and_a_remedy(changes: dict[str, Any], path: str, words: str) -> None:
    infra_samples.told_alone(infra_samples.mistakes(**changes), path, words)


@pytest.mark.parametrize("stack", ["Prod", "dev_1", "1-dev", "eu.prod"])
def test_a_stack_whose_name_begins_no_host_needs_a_prefix(stack: str) -> None:
    two = {"groups__other": {"instance_type": "g6.xlarge"}}
    with pytest.raises(ConfigError) as caught:
        load(infra_samples.config(**two), "lockstep", stack, "us-east-1")
    (told,) = caught.value.problems
    assert told.startswith(f"host_prefix: is missing, and the stack's name {stack} cannot begin the names of hosts. ")
    assert (
        load(infra_samples.config(**two, host_prefix="x-"), "lockstep", stack, "us-east-1").groups[0].hosts[0]
        == "x-train-01"
    )
