"""Configuration: what is accepted, and what each mistake is told as."""

from __future__ import annotations

import dataclasses
import doctest
from pathlib import Path
from typing import Any

import pytest
import yaml

import infra.config
import infra.layout
from infra.config import ConfigError, from_pulumi, load
from infra.layout import Layout, has_own_disks, platform_of, zones_of
from infra.model import Cluster
from tests.unit.infra_samples import KEY, config

CHECKOUT = Path(__file__).resolve().parents[2]
BLOCK = {"mode": "block", "id": "cr-0123456789abcdef0", "zone": "us-east-1a"}
EXISTING = {"vpc_id": "vpc-0123abcd", "private_subnets": {"us-east-1a": "subnet-0123abcd"}}
SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def good(region: str | None = "us-east-1", **changes: Any) -> Layout:
    return load(config(**changes), "lockstep", "dev", region)


def bad(region: str | None = "us-east-1", **changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        good(region, **changes)
    return caught.value.problems


# Each: what is changed in a configuration that is right, and the one mistake that must be told: its key, its words.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"tier": None}, "tier", "is missing"),
    ({"tier": "Prod!"}, "tier", "cannot be right. Write it like prod."),
    ({"teir": "dev"}, "teir", "Did you mean tier?"),
    ({"groups": None}, "groups", "is missing"),
    ({"groups": {}}, "groups", "names no machines"),
    ({"groups": ["train"]}, "groups", "must be a mapping, not ['train']"),
    ({"groups__Train_1": {"instance_type": "g6.xlarge"}}, "groups.Train_1", "cannot be a group's name"),
    ({"groups__train__instance_type": None}, "groups.train.instance_type", "is missing"),
    ({"groups__train__instance_type": "big"}, "groups.train.instance_type", "Write it like p5.48xlarge"),
    ({"groups__train__cuont": 3}, "groups.train.cuont", "Did you mean count?"),
    ({"groups__train__count": "many"}, "groups.train.count", "must be a whole number, not 'many'"),
    ({"groups__train__count": True}, "groups.train.count", "must be a whole number, not True"),
    ({"groups__train__count": 1001}, "groups.train.count", "is 1001, outside 0 to 1000"),
    ({"groups__train__public": "maybe"}, "groups.train.public", "must be true or false"),
    ({"groups__train__zone": "us-east-1c"}, "groups.train.zone", "us-east-1c is not in network.zones"),
    ({"groups__train__ami": "ubuntu"}, "groups.train.ami", "an ami-... id, or a parameter's name"),
    ({"groups__train__ami": "/aws/service/x/arm64/ami-id"}, "groups.train.ami", "Name the one for x86_64"),
    ({"groups__train__platform": "linux-aarch64"}, "groups.train.platform", "but g6.2xlarge is linux-64"),
    ({"groups__train__platform": "win-64"}, "groups.train.platform", "must be one of linux-64, linux-aarch64"),
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
    ({"groups__train__placement": "clutser"}, "groups.train.placement", "Did you mean cluster?"),
    ({"groups__train__capacity": {"mode": "reserved"}}, "groups.train.capacity.mode", "Did you mean reservation?"),
    ({"groups__train__capacity": {**BLOCK, "id": None}}, "groups.train.capacity.id", "reserves and buys nothing"),
    ({"groups__train__capacity": {**BLOCK, "id": "cr-xyz"}}, "groups.train.capacity.id", "like cr-0123456789abcdef0"),
    ({"groups__train__capacity": {**BLOCK, "zone": None}}, "groups.train.capacity.zone", "Say which zone"),
    (
        {"groups__train__capacity": {**BLOCK, "mode": "reservation", "zone": "us-east-1b"}},
        "groups.train.capacity.zone",
        "is us-east-1b, but the group is in us-east-1a. Set groups.train.zone to us-east-1b",
    ),
    ({"groups__train__capacity": {**BLOCK, "mode": "spot"}}, "groups.train.capacity.id", "which spot does not use"),
    ({"groups__train__capacity": {"max_price": "3"}}, "groups.train.capacity.max_price", "but mode is on-demand"),
    ({"groups__train__capacity": {"mode": "spot", "max_price": 3}}, "groups.train.capacity.max_price", "quoted"),
    ({"groups__train__root_disk": {"size_gb": 4}}, "groups.train.root_disk.size_gb", "outside 8 to 65536"),
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
    ({"network__cidr": "fd00::/48"}, "network.cidr", "IPv6"),
    ({"network__cidr": "10.0.0.0/22", "groups__train__count": 200}, "network.cidr", "which has 123"),
    ({"network__zones": []}, "network.zones", "is empty"),
    ({"network__zones": ["us-east-1a", "us-east-1a"]}, "network.zones", "names us-east-1a 2 times"),
    ({"network__zones": ["us-east-1a", "eu-west-1b"]}, "network.zones[1]", "eu-west-1b is not in us-east-1"),
    ({"network__zones": ["us-east-1a", "here"]}, "network.zones[1]", "Write it like us-east-1a"),
    ({"network__egress": "nat"}, "network.egress", "must be one of nat-single"),
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
    ({"access__ssh_from": "10.0.0.0/8"}, "access.ssh_from", "must be a list"),
    ({"access__ssm": False}, "access.ssh_from", "Ansible cannot connect by private"),
    ({"access__ssm": False, "access__connection": "ssm"}, "access.connection", "but access.ssm is false"),
    (
        {"access__connection": "public", "access__ssh_from": ["10.0.0.0/8"]},
        "groups.train.public",
        "but access.connection is public",
    ),
    ({"access__ssh_keys": []}, "access.ssh_keys", "nobody could log in"),
    ({"access__ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "access.ssh_keys[0]", "ssh-ed25519 AAAA"),
    ({"access__ssh_keys": ['command="sh" ' + KEY]}, "access.ssh_keys[0]", "one line like"),
    ({"access__ssh_keys": ["ssh-rsa " + "A" * 720 + f" k{i}" for i in range(9)]}, "access.ssh_keys", "EC2 takes 16384"),
    ({"access__ssh_key_files": ["no/such.pub"]}, "access.ssh_key_files[0]", "cannot be read (No such file"),
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
    ({"access__egress_ports": [0]}, "access.egress_ports[0]", "outside 1 to 65535"),
    ({"access__policies": ["AdministratorAccess"]}, "access.policies[0]", "the ARN of a policy"),
    ({"host": {"user": "root"}}, "host.user", "as an ordinary user"),
    ({"host": {"root": "opt"}}, "host.root", "an absolute path"),
    ({"host": {"root": "/usr/lockstep"}}, "host.root", "the system's own folders"),
    ({"host": {"root": "/opt/my envs"}}, "host.root", "without spaces"),
    ({"host": {"uid": 5}}, "host.uid", "outside 1000 to 59999"),
    ({"host_prefix": "dev"}, "host_prefix", "a dash at the end"),
    ({"host_prefix": "x" * 60 + "-"}, "groups.train", "over 63 characters"),
    ({"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/a"}, "kms_key", "is not a key of us-east-1"),
    ({"protect": "perhaps"}, "protect", "must be true or false"),
]


@pytest.mark.parametrize(
    ("changes", "path", "words"), WRONG, ids=[f"{path}-{n}" for n, (_, path, _) in enumerate(WRONG)]
)
def test_each_mistake_is_told_alone_with_its_key_and_a_remedy(changes: dict[str, Any], path: str, words: str) -> None:
    problems = bad(**changes)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{path}: ")
    assert words in problems[0]
    assert problems[0].count(". ") >= 1 and problems[0][-1] in ".?"


@pytest.mark.parametrize("stack", ["Prod", "dev_1", "1-dev", "eu.prod"])
def test_a_stack_whose_name_begins_no_host_needs_a_prefix(stack: str) -> None:
    two = {"groups__other": {"instance_type": "g6.xlarge"}}
    with pytest.raises(ConfigError) as caught:
        load(config(**two), "lockstep", stack, "us-east-1")
    (told,) = caught.value.problems
    assert told.startswith(f"host_prefix: is missing, and the stack's name {stack} cannot begin the names of hosts. ")
    assert load(config(**two, host_prefix="x-"), "lockstep", stack, "us-east-1").groups[0].hosts[0] == "x-train-01"


def test_the_region_is_needed() -> None:
    assert bad(None)[0] == "aws:region: is missing. Set it, such as us-east-1."
    assert bad("Virginia")[0].startswith("aws:region: is 'Virginia', which is no region.")


def test_all_mistakes_are_told_at_once_and_none_twice() -> None:
    with pytest.raises(ConfigError) as caught:
        good(
            tier="Prod",
            network__cidr=7,
            access__ssh_from=["0.0.0.0/0", 3],
            groups__train__efa=2,
            groups__other={"count": 1},
        )
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "tier",
        "groups.other.instance_type",
        "network.cidr",
        "access.ssh_from[1]",
        "access.ssh_from[0]",
        "groups.train.placement",
    ]
    text = str(caught.value)
    assert text.startswith("6 mistakes in Pulumi.dev.yaml; nothing was created or changed.\n  lockstep:tier: ")


def test_the_local_stack_is_right(tmp_path: Path) -> None:
    settings = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text(encoding="utf-8"))["config"]
    values = {key.split(":", 1)[1]: value for key, value in settings.items() if key.startswith("lockstep:")}
    (tmp_path / "key.pub").write_text(KEY + "\n")
    values["access"]["ssh_key_files"] = [str(tmp_path / "key.pub")]
    layout = load(values, "lockstep", "local", settings["aws:region"])
    assert not layout.protect
    assert layout.keys == (KEY,)
    hosts = [host for group in layout.groups for host in group.hosts]
    assert hosts == ["dev-01", "test-01", "prod-01", "prod-02", "prod-03"]


def test_defaults_are_filled_in() -> None:
    layout = good()
    group = layout.groups[0]
    assert group.hosts == ("dev-train-01", "dev-train-02")
    assert (group.tier, group.platform, group.zone, group.pinned) == ("dev", "linux-64", "us-east-1a", False)
    assert (layout.egress, layout.connection, layout.protect) == ("nat-single", "ssm", False)
    assert "/x86_64/" in group.ami
    assert "/arm64/" in good(groups__train__instance_type="g5g.xlarge").groups[0].ami


def test_prod_is_protected_unless_told_otherwise() -> None:
    assert good(tier="prod").protect
    assert not good(tier="prod", protect=False).protect
    assert not good(tier="prod", protect="false").protect  # as `pulumi config set` writes it
    mixed = good(groups__live={"instance_type": "g6.xlarge", "tier": "prod"})
    assert [group.protect for group in mixed.groups] == [False, True]
    assert mixed.protect


def test_keys_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_text(f"# us\n\n{KEY}\n{KEY} \nssh-rsa AAAA b\n")
    (tmp_path / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    values = config(access__ssh_key_files=["a.pub"])
    assert load(values, "p", "dev", "us-east-1", tmp_path).keys == (KEY, "ssh-rsa AAAA b")
    with pytest.raises(ConfigError, match="private line 1 is a private key") as caught:
        load(config(access__ssh_key_files=["private"]), "p", "dev", "us-east-1", tmp_path)
    assert "abc" not in str(caught.value)


def test_a_zone_that_is_appended_moves_no_other() -> None:
    assert zones_of("10.0.0.0/16", ["a", "b"]) == zones_of("10.0.0.0/16", ["a", "b", "c"])[:2]
    all_six = zones_of("10.0.0.0/22", list("abcdef"))
    ranges = [zone.private_cidr for zone in all_six] + [zone.public_cidr for zone in all_six]
    assert len(set(ranges)) == 12


@pytest.mark.parametrize(
    ("kind", "platform", "disks"),
    [
        ("p5.48xlarge", "linux-64", None),
        ("g6e.xlarge", "linux-64", None),
        ("g5g.xlarge", "linux-aarch64", None),
        ("c7gn.large", "linux-aarch64", False),
        ("m6gd.large", "linux-aarch64", True),
        ("m7i.large", "linux-64", False),
        ("c6id.large", "linux-64", True),
        ("p6e-gb200.36xlarge", "linux-aarch64", None),
        ("u7i-12tb.224xlarge", "linux-64", None),
        ("trn2.48xlarge", "linux-64", None),
    ],
)
def test_machine_types_tell_their_platform(kind: str, platform: str, disks: bool | None) -> None:
    assert platform_of(kind) == platform
    assert has_own_disks(kind) is disks


def test_pulumi_gives_structured_values_as_text() -> None:
    found = from_pulumi(
        {"lockstep:tier": "1", "lockstep:groups": '{"a": {"count": 2}}', "aws:region": "x", "other:y": "z"}
    )
    assert found == {"tier": "1", "groups": {"a": {"count": 2}}}
    assert from_pulumi({"lockstep:groups": "oops"}) == {"groups": "oops"}


def test_the_model_is_plain() -> None:
    source = "".join(
        (CHECKOUT / "infra" / f"{name}.py").read_text() for name in ("model", "reader", "layout", "checks", "config")
    )
    assert "import pulumi" not in source
    assert dataclasses.is_dataclass(Cluster)


def test_examples_in_docstrings() -> None:
    for module in (infra.layout, infra.config):
        result = doctest.testmod(module)
        assert result.attempted and not result.failed
