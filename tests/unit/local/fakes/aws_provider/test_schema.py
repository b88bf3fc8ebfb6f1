"""Inputs are checked against pulumi_aws's own argument classes."""

from __future__ import annotations

import inspect

import pytest

from local.fakes.aws_provider import schema
from local.fakes.aws_provider.server import CONFIGURATION
from local.fakes.aws_provider.wire import UNK

INSTANCE = "aws:ec2/instance:Instance"


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "vpcId", "is required"),
        ("aws:ec2/subnet:Subnet", {"vpcId": "v", "cidrBlok": "10.0.0.0/24"}, "cidrBlok", "did you mean cidrBlock"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": 10}, "cidrBlock", "must be str, not a number"),
        ("aws:ec2/vpc:Vpc", {"enableDnsSupport": "yes"}, "enableDnsSupport", "must be bool, not text"),
        ("aws:ec2/vpc:Vpc", {"tags": ["a"]}, "tags", "must be a map, not a list"),
        ("aws:ec2/vpc:Vpc", {"tags": {"a": 1}}, "tags.a", "must be str, not a number"),
        (INSTANCE, {"rootBlockDevice": {"volumeSize": "8"}}, "rootBlockDevice.volumeSize", "must be int, not text"),
        (INSTANCE, {"rootBlockDevice": {"size": 8}}, "rootBlockDevice.size", "is not an input of"),
        (INSTANCE, {"ebsBlockDevices": [{"volumeSize": 8}]}, "ebsBlockDevices[0].deviceName", "is required"),
        (INSTANCE, {"vpcSecurityGroupIds": "sg-1"}, "vpcSecurityGroupIds", "must be a list, not text"),
    ],
)
def test_problems(token: str, inputs: dict, path: str, reason: str) -> None:
    found = dict(schema.problems(token, inputs))
    assert path in found
    assert reason in found[path]


def test_good_inputs_have_no_problem() -> None:
    good = {
        "ami": "a",
        "instanceType": "p5.48xlarge",
        "metadataOptions": {"httpTokens": "required"},
        "tags": {"a": UNK},
    }
    assert schema.problems(INSTANCE, good) == []
    assert schema.problems("aws:ec2/subnet:Subnet", {"vpcId": UNK, "tags": UNK}) == []
    assert schema.problems("aws:iam/role:Role", {"assumeRolePolicy": "{}"}) == []


@pytest.mark.parametrize("token", ["aws:ec2/vpcc:Vpcc", "aws:nowhere/vpc:Vpc", "gcp:ec2/vpc:Vpc", "aws"])
def test_what_pulumi_aws_does_not_have(token: str) -> None:
    with pytest.raises(schema.SchemaError):
        schema.resource(token)


def test_configuration_is_of_the_real_provider() -> None:
    import pulumi_aws

    known = {schema._camel(name) for name in inspect.signature(pulumi_aws.ProviderArgs).parameters}
    assert CONFIGURATION - {"version"} <= known
