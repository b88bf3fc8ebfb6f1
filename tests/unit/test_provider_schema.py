"""Inputs are checked against pulumi_aws's own argument classes."""

from __future__ import annotations

import inspect
import re

import pytest

from local.fakes.aws_provider import difference, schema
from local.fakes.aws_provider.kinds import KINDS
from local.fakes.aws_provider.server import CONFIGURATION
from local.fakes.aws_provider.wire import UNK, plain, wire

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


@pytest.mark.parametrize("token", KINDS)
def test_tables_name_what_is_there(token: str) -> None:
    kind, known = KINDS[token], schema.resource(token)
    assert kind.inputs <= set(known.inputs)
    assert known.required <= kind.inputs
    assert {path.split(".")[0] for path in kind.replaces} <= kind.inputs
    assert set(kind.defaults) <= kind.inputs
    assert kind.computed <= set(known.inputs)
    assert kind.volatile <= known.outputs
    assert {name.split(".")[0] for name in kind.unordered} <= kind.inputs
    assert set(kind.nested) <= kind.inputs
    for name, members in kind.nested.items():
        wrong = [
            p for p, reason in schema.problems(token, {name: dict.fromkeys(members)}) if "is not an input" in reason
        ]
        assert not wrong


FORCING = re.compile(
    r"forces? (a )?(new resource|resource recreation|recreation)|destroy and recreate|requires resource replacement",
    re.I,
)
# What documentation calls forcing, where only some changes are: what makes it so
CONDITIONAL = {
    ("aws:ec2/instance:Instance", "userData"): ({}, {"userDataReplaceOnChange": True}),
    ("aws:ec2/instance:Instance", "userDataBase64"): ({}, {"userDataReplaceOnChange": True}),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "privateDnsEnabled"): ({}, {"vpcEndpointType": "Gateway"}),
}
ABOUT_ANOTHER = {("aws:ec2/instance:Instance", "userDataReplaceOnChange")}  # tells what it does to userData


def documented() -> list[tuple[str, str]]:
    """Every emulated input whose documentation in pulumi_aws says that changing it replaces the resource."""
    found = []
    for token, kind in KINDS.items():
        module, name = schema._module(token)
        text = inspect.getdoc(getattr(module, f"{name}Args").__init__) or ""
        for part in re.split(r"\n\s*:param ", text)[1:]:
            property_name = schema._camel(part.split(":")[0].split()[-1])
            if property_name in kind.inputs and FORCING.search(" ".join(part.split())):
                found.append((token, property_name))
    return found


def test_documentation_says_something() -> None:
    assert len(documented()) >= 4


@pytest.mark.parametrize(("token", "name"), documented())
def test_replacements_agree_with_the_documentation(token: str, name: str) -> None:
    if (token, name) in ABOUT_ANOTHER:
        return
    old, new = CONDITIONAL.get((token, name), ({}, {}))
    assert difference.replacing([name], KINDS[token].replacing(old, new))


def test_documented_replacements_inside_blocks() -> None:
    rules = KINDS[INSTANCE].replaces  # "Modifying the `encrypted` or `kms_key_id` settings of..."
    assert difference.replacing(["rootBlockDevice.encrypted", "rootBlockDevice.kmsKeyId"], rules)
    assert not difference.replacing(["rootBlockDevice.volumeSize", "rootBlockDevice.tags.Name"], rules)
    assert difference.replacing(["ebsBlockDevices[1].deviceName"], rules)
    assert not difference.replacing(["ebsBlockDevices[0].volumeSize"], rules)


def test_paths_of_differences() -> None:
    nothing: frozenset[str] = frozenset()
    assert difference.paths({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, nothing) == ["a.c"]
    assert difference.paths({"a": None}, {"a": {"c": 3}}, nothing) == ["a.c"]
    assert difference.paths({"a": ["x", "y"]}, {"a": ["y", "x"]}, frozenset({"a"})) == []
    assert difference.paths({"a": ["x", "y"]}, {"a": ["y", "x"]}, nothing) == ["a[0]", "a[1]"]
    assert difference.paths({"a": 1}, {"a": UNK}, nothing) == ["a"]
    assert difference.paths({"a": '{"x": 1}'}, {"a": '{ "x":1 }'}, nothing) == []
    assert difference.paths({"a": ""}, {}, nothing) == []
    assert difference.at({"a": [{"b": 7}]}, "a[0].b") == 7


def test_projection_leaves_out_what_nobody_declared() -> None:
    assert difference.project({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}) == {"a": {"b": 2}}
    assert difference.project(["x"], ["x", "y"]) == ["x", "y"]


def test_wire_round_trip() -> None:
    values = {"a": 1, "b": [True, {"c": "x"}], "d": UNK}
    assert plain(wire(values)) == values
    assert plain(wire({"a": None})) == {}


def test_configuration_is_of_the_real_provider() -> None:
    import pulumi_aws

    known = {schema._camel(name) for name in inspect.signature(pulumi_aws.ProviderArgs).parameters}
    assert CONFIGURATION - {"version"} <= known
