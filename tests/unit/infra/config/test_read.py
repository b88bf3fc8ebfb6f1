"""Values of the wrong type or form, and unknown keys: each is told by its key, all at once."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from infra.config import schema
from infra.config.load import ConfigError, load
from infra.config.problems import Problems
from infra.config.read import read
from tests.support import infra_samples
from tests.support.infra_samples import KEY
from tests.support.paths import CHECKOUT

BLOCK = {"mode": "block", "id": "cr-0123456789abcdef0", "zone": "us-east-1a"}

# Each: what is changed in a configuration that is right, and the one mistake that must be told: its key, its words.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"tier": None}, "tier", "is missing"),
    ({"tier": "Prod!"}, "tier", "cannot be right. Write it like prod."),
    ({"teir": "dev"}, "teir", "Did you mean tier?"),
    ({"groups": None}, "groups", "is missing"),
    ({"groups": ["train"]}, "groups", "must be a mapping, not ['train']"),
    ({"groups__train__instance_type": None}, "groups.train.instance_type", "is missing"),
    ({"groups__train__instance_type": "big"}, "groups.train.instance_type", "Write it like p5.48xlarge"),
    ({"groups__train__cuont": 3}, "groups.train.cuont", "Did you mean count?"),
    ({"groups__train__count": "many"}, "groups.train.count", "must be a whole number, not 'many'"),
    ({"groups__train__count": True}, "groups.train.count", "must be a whole number, not True"),
    ({"groups__train__count": 1001}, "groups.train.count", "is 1001, outside 0 to 1000"),
    ({"groups__train__public": "maybe"}, "groups.train.public", "must be true or false"),
    ({"groups__train__ami": "ubuntu"}, "groups.train.ami", "an ami-... id, or a parameter's name"),
    ({"groups__train__platform": "win-64"}, "groups.train.platform", "must be one of linux-64, linux-aarch64"),
    ({"groups__train__placement": "clutser"}, "groups.train.placement", "Did you mean cluster?"),
    ({"groups__train__capacity": {"mode": "reserved"}}, "groups.train.capacity.mode", "Did you mean reservation?"),
    ({"groups__train__capacity": {**BLOCK, "id": "cr-xyz"}}, "groups.train.capacity.id", "like cr-0123456789abcdef0"),
    ({"groups__train__capacity": {"mode": "spot", "max_price": 3}}, "groups.train.capacity.max_price", "quoted"),
    ({"groups__train__root_disk": {"size_gb": 4}}, "groups.train.root_disk.size_gb", "outside 8 to 65536"),
    ({"network__zones": ["us-east-1a", "here"]}, "network.zones[1]", "Write it like us-east-1a"),
    ({"network__egress": "nat"}, "network.egress", "must be one of nat-single"),
    ({"access__ssh_from": "10.0.0.0/8"}, "access.ssh_from", "must be a list"),
    ({"access__ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "access.ssh_keys[0]", "ssh-ed25519 AAAA"),
    ({"access__ssh_keys": ['command="sh" ' + KEY]}, "access.ssh_keys[0]", "one line like"),
    ({"access__egress_ports": [0]}, "access.egress_ports[0]", "outside 1 to 65535"),
    ({"access__policies": ["AdministratorAccess"]}, "access.policies[0]", "the ARN of a policy"),
    ({"host": {"root": "opt"}}, "host.root", "an absolute path"),
    ({"host": {"root": "/opt/my envs"}}, "host.root", "without spaces"),
    ({"host": {"uid": 5}}, "host.uid", "outside 1000 to 59999"),
    ({"host_prefix": "dev"}, "host_prefix", "a dash at the end"),
    ({"protect": "perhaps"}, "protect", "must be true or false"),
    ({"access__ssh_from": ["x" * 50]}, "access.ssh_from[0]", "Write it like"),
    ({"access__ssh_keys": {"secure": "x"}}, "access.ssh_keys", "must be a list, not {'secure': 'x'}"),
    ({"groups__train": None, "groups__gpu": "g6.xlarge"}, "groups.gpu", "Its keys are instance_type, count"),
    ({"groups__train__root_disk": {"sice_gb": 9}}, "groups.train.root_disk.sice_gb", "Did you mean size_gb?"),
    ({"groups__train__colour": "red"}, "groups.train.colour", "The keys here are instance_type"),
    ({"groups__gruppe_ü": {"instance_type": "g6.xlarge"}}, "groups.gruppe_ü", "cannot be a group's name"),
    ({"groups__a\nb": {"instance_type": "g6.xlarge"}}, "groups.a\\nb", "cannot be a group's name"),
    ({"groups__\ud800": {"instance_type": "g6.xlarge"}}, "groups.\\ud800", "characters that are no text"),
    ({"groups__train__count": datetime.date(2026, 1, 2)}, "groups.train.count", "a whole number, not 2026-01-02"),
    ({"tags": {"a": 3}}, "tags.a", "must be text, not 3"),
    ({"tags": {"a": [[[[[[[[[[[[]]]]]]]]]]]]}}, "tags.a", "must be text, not [["),
]


@pytest.mark.parametrize(
    ("changes", "path", "words"), WRONG, ids=[f"{path}-{n}" for n, (_, path, _) in enumerate(WRONG)]
)
def test_each_mistake_is_told_alone_with_its_key_and_a_remedy(changes: dict[str, Any], path: str, words: str) -> None:
    infra_samples.told_alone(infra_samples.mistakes(**changes), path, words)


def test_a_private_key_is_never_shown() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n"
    for changes in ({"access__ssh_keys": [text]}, {"access__ssh_keys": text}, {"access__ssh_from": [text]}):
        (told,) = infra_samples.mistakes(**changes)
        assert "a private key" in told and "MIIE" not in told


@pytest.mark.parametrize("item", [3, None, "here"])
def test_a_wrong_item_moves_no_other(item: Any) -> None:
    problems = infra_samples.mistakes(network__zones=[item, "us-east-1a", "eu-west-1b"], access__ssh_from=[7, "::/0"])
    assert [problem.split(": ")[0] for problem in problems] == [
        "network.zones[0]",
        "access.ssh_from[0]",
        "network.zones[2]",
        "access.ssh_from[1]",
    ]


@pytest.mark.parametrize("value", ["3", 3.0, 3])
def test_a_whole_number_may_be_written_as_text_or_with_a_point(value: Any) -> None:
    assert len(infra_samples.layout(groups__train__count=value).groups[0].hosts) == 3


def test_a_key_without_a_value_is_left_out() -> None:
    values = {**infra_samples.config(), "tags": None, "host": {"uid": None}, "protect": None}
    assert load(values, "lockstep", "dev", "us-east-1") == infra_samples.layout()


def example(node: dict[str, Any]) -> Any:
    """A value that has every key a schema knows."""
    node = schema.resolved(node)
    if node["type"] == "array":
        return [example(node["items"])]
    if "properties" in node:
        return {name: example(inner) for name, inner in node["properties"].items()}
    if node["type"] == "object":
        return {"us-east-1a": example(node["additionalProperties"])}
    first = [*node.get("examples", ()), *node.get("enum", ())][:1] or [node.get("minimum", node.get("default", "x"))]
    return first[0]


def paths(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in plain data, the outer ones first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*here, name)
        yield from paths(inner, (*here, name))


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy of plain data with another value at a path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def at(problems: list[str]) -> list[str]:
    return [problem.partition(": ")[0] for problem in problems]


def dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]


EVERY_KEY = example(schema.models())
KINDS = {
    "null": None,
    "true": True,
    "number": 3,
    "fraction": 3.5,
    "huge": 10**5000,
    "negative": -1,
    "infinite": float("inf"),
    "empty text": "",
    "text": "x",
    "number as text": "٣",
    "long text": "x" * 500,
    "unicode": "größe\u202e",
    "surrogate": "\ud800",
    "control": "a\0\n\x1b[31m",
    "date": datetime.date(2026, 1, 2),
    "time": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "bytes": b"x",
    "set": {"x"},
    "empty list": [],
    "list": ["x"],
    "list of null": [None],
    "deep": [[[[[[[[[[[[[[{}]]]]]]]]]]]]]],
    "empty mapping": {},
    "mapping": {"x": 1},
    "mapping by numbers": {1: {2: 3}, None: 4, datetime.date(2026, 1, 2): 5},
    "mapping by garbled text": {"\ud800": 1, "a\nb": {"c\0": 2}},
}


def test_every_key_can_be_read() -> None:
    problems = Problems()
    assert read(EVERY_KEY, (), problems).model_dump() == EVERY_KEY
    assert not problems.found and len(list(paths(EVERY_KEY))) > 60


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_value_at_every_place_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.config.checks.user_data", lambda *_: "")  # slow, and of no interest here
    validator = Draft7Validator(json.loads(schema.stack_file()))
    for path in paths(EVERY_KEY):
        values = changed(EVERY_KEY, path, KINDS[kind])
        with pytest.raises(ConfigError) as caught:  # EVERY_KEY has keys that exclude each other
            load(values, "lockstep", "dev", "us-east-1")
        stack = {"config": {"aws:region": "us-east-1", **{f"lockstep:{name}": one for name, one in values.items()}}}
        if kind not in ("null", "set", "huge") and not validator.is_valid(stack):
            assert any(one.startswith(dotted(path)) for one in at(caught.value.problems)), path
        for told in caught.value.problems:
            assert told.isprintable() and len(told) < 1000
            assert "pydantic" not in told and "Input should" not in told and " object at 0x" not in told


def test_every_value_wrong_at_once_is_told_at_once() -> None:
    leaves = [path for path in paths(EVERY_KEY) if not any(other[:-1] == path for other in paths(EVERY_KEY))]
    values = EVERY_KEY
    for path in leaves:
        values = changed(values, path, object)
    problems = Problems()
    read(values, (), problems)
    assert at(problems.found) == [dotted(path) for path in leaves]


@pytest.mark.parametrize("file", infra_samples.STACK_FILES, ids=str)
def test_a_wrong_type_is_told_without_what_follows_from_it(file: Path) -> None:
    settings = yaml.safe_load((CHECKOUT / file).read_text(encoding="utf-8"))["config"]
    values = {key.split(":", 1)[1]: value for key, value in settings.items() if key.startswith("lockstep:")}
    values["access"]["ssh_keys"] = [KEY]
    values["access"].pop("ssh_key_files", None)
    for path in paths(values):
        with pytest.raises(ConfigError) as caught:
            load(changed(values, path, object), "lockstep", file.name.split(".")[1], settings["aws:region"])
        assert at(caught.value.problems) == [dotted(path)]
