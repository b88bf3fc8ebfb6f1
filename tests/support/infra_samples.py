"""A configuration to start from, and a recorder in the place of AWS."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.components.cluster import Cluster
from infra.config.layout import Layout
from infra.config.load import CHECKOUT, ConfigError, load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBiYtPnQ0zM0fCn0v7Y2 somebody@example.org"
BASE: dict[str, Any] = {
    "tier": "dev",
    "network": {"cidr": "10.20.0.0/16", "zones": ["us-east-1a", "us-east-1b"]},
    "access": {"ssh_keys": [KEY]},
    "groups": {"train": {"instance_type": "g6.2xlarge", "count": 2}},
}
STACK_FILES = sorted(
    path.relative_to(CHECKOUT) for path in [CHECKOUT / "Pulumi.local.yaml", *CHECKOUT.glob("examples/*/Pulumi.*.yaml")]
)
INSTANCE = "ec2/instance:Instance"
INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"
P5: dict[str, Any] = {
    "instance_type": "p5.48xlarge",
    "count": 2,
    "placement": "cluster",
    "efa": 4,
    "capacity": {"mode": "reservation", "id": "cr-0123456789abcdef0", "zone": "us-east-1a"},
    "storage": "instance-store",
}
EXISTING = {"vpc_id": "vpc-0123abcd", "private_subnets": {"us-east-1a": "subnet-0123abcd"}}


def config(**changes: Any) -> dict[str, Any]:
    """The base with some keys changed: `groups__train__count=3` reaches inside; None takes a key away."""
    made = copy.deepcopy(BASE)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = made
        for name in outer:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return made


def layout(region: str | None = "us-east-1", checkout: Path = CHECKOUT, **changes: Any) -> Layout:
    """The base with some keys changed, worked out."""
    return load(config(**changes), "lockstep", "dev", region, checkout)


def mistakes(region: str | None = "us-east-1", checkout: Path = CHECKOUT, **changes: Any) -> list[str]:
    """What is told about the base with some keys changed."""
    with pytest.raises(ConfigError) as caught:
        layout(region, checkout, **changes)
    return caught.value.problems


def told_alone(problems: list[str], path: str, words: str) -> None:
    """Assert that there is one mistake, with its key, its reason and a remedy."""
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{path}: ")
    assert words in problems[0]
    assert problems[0].count(". ") >= 1 and problems[0][-1] in ".?"


class Recorder(pulumi.runtime.Mocks):
    """Records what was asked for, and answers as AWS would what the program reads back."""

    def __init__(self) -> None:
        self.resources: dict[str, pulumi.runtime.MockResourceArgs] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources[f"{args.typ} {args.name}"] = args
        out = dict(args.inputs)
        number = len(self.resources)
        if args.typ == "aws:ec2/instance:Instance":
            public = f"203.0.113.{number % 250}" if args.inputs.get("associatePublicIpAddress") else ""
            out |= {"privateIp": f"10.20.{number // 250}.{number % 250}", "publicIp": public}
            return f"i-{number:017x}", out
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            out |= {"latestVersion": 1}
        if args.typ == "aws:ec2/vpcEndpoint:VpcEndpoint":
            out |= {"prefixListId": "pl-63a5400a"}
        out.setdefault("name", f"{args.name}-1234567")
        return f"{args.name}-id", out

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        self.calls.append((args.token, args.args))
        if args.token == "aws:ssm/getParameter:getParameter":
            return {"value": "ami-0123456789abcdef0", "name": args.args["name"]}
        if args.token == "aws:ec2/getVpc:getVpc":
            return {"cidrBlock": "172.31.0.0/16", "id": args.args["id"]}
        raise AssertionError(f"no answer prepared for {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The inputs of every resource of a type, such as `ec2/instance:Instance`, by name."""
        wanted = f"aws:{kind} "
        return {key[len(wanted) :]: args.inputs for key, args in self.resources.items() if key.startswith(wanted)}


def run(program: Callable[[], pulumi.Output[Any]], preview: bool = False) -> tuple[Recorder, Any]:
    """Run a program against the recorder, and give what its output becomes."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    recorder, got = Recorder(), []
    pulumi.runtime.set_mocks(recorder, project="lockstep", stack="dev", preview=preview)

    @pulumi.runtime.test
    def go() -> pulumi.Output[Any]:
        return pulumi.Output.from_input(program()).apply(got.append)

    go()
    return recorder, got[0] if got else None


def make(preview: bool = False, **changes: Any) -> tuple[Recorder, Any]:
    """Make the cluster of the base with some keys changed; give what was asked for and the inventory."""
    made = layout(**changes)
    return run(lambda: Cluster("dev", made).inventory, preview)
