"""The tables of the emulated types agree with pulumi_aws."""

from __future__ import annotations

import inspect
import re

import pytest

from local.fakes.aws_provider import difference, schema
from local.fakes.aws_provider.kinds import KINDS

INSTANCE = "aws:ec2/instance:Instance"


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
