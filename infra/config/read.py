"""Validate a stack's values by the models; report each mistake by its key, with the reason and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from .model import Cluster
from .problems import Problems, join, shown
from .schema import Node, at

WORDS = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
DEPTH = 8  # no value that is right lies deeper


@dataclass(frozen=True)
class Refused:
    """Takes the place of a value that no type can describe."""

    what: str
    remedy: str


REPEATED = Refused("is given more than once", "Keep one of them")
HUGE = Refused("is a number of more than 30 digits", "Write a smaller one")
GARBLED = Refused("has a name with characters that are no text", "Write it again")


def read(values: Mapping[str, object], secrets: Collection[str], problems: Problems) -> Cluster:
    """Make a cluster from plain data, adding every mistake to `problems`.

    A wrong value is left out or replaced by an example, so that the rest can be checked as well.

    :param values: the keys of namespace `lockstep`, as YAML or JSON gave them
    :param secrets: those keys whose values Pulumi keeps encrypted
    """
    data = _plain(values)
    for name in sorted(secrets):
        if name in Cluster.model_fields:
            what = "is a secret, but its values are plain in the state, in AWS and on the machines"
            problems.add(name, what, "Set it without --secret, or without `secure:`")
            _put_aside(data, (name,))
    try:
        return Cluster.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)
    for one in found:
        problems.add(join(one["loc"]), *_told(one["type"], one["loc"], one["input"]))
    for one in found:
        _put_aside(data, one["loc"])
    return Cluster.model_validate(data)


def _plain(value: Any, depth: int = DEPTH) -> Any:
    """Copy mappings and lists, with text for keys, without values that cannot be shown."""
    if isinstance(value, Mapping | list) and not depth:
        return "..."
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, Mapping):
        made = {}
        for name, item in value.items():
            text = str(name).encode(errors="backslashreplace").decode()
            made[text] = _plain(item, depth - 1) if text == str(name) else GARBLED
        return made
    return HUGE if isinstance(value, int) and value.bit_length() > 100 else value


def _told(kind: str, path: Sequence[str | int], value: object) -> tuple[str, str]:
    """Return the reason and the remedy of a mistake.

    :param kind: pydantic's name of it
    """
    parent = at(path[:-1])
    if kind == "extra_forbidden":
        keys = parent["properties"]
        near = difflib.get_close_matches(str(path[-1]), keys, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"The keys here are {', '.join(keys)}"
        return "is not a key that exists", remedy
    node = at(path)
    if kind == "missing":
        return "is missing", f"Set it: {node['description'].rstrip('.')}"
    if isinstance(value, Refused):
        return value.what, value.remedy
    if kind == "literal_error" and isinstance(value, str):
        near = difflib.get_close_matches(value, node["enum"], 1)
        what = f"is {shown(value)}, but must be one of {', '.join(node['enum'])}"
        return what, f"Did you mean {near[0]}?" if near else "Choose one of them"
    if kind in ("greater_than_equal", "less_than_equal"):
        limits = f"{node['minimum']} to {node['maximum']}"
        return f"is {shown(value)}, outside {limits}", f"Choose a number from {limits}"
    if kind in ("string_pattern_mismatch", "string_too_long"):
        return f"is {shown(value)}, which cannot be right", _remedy(node)
    return f"must be {WORDS[node['type']]}, not {shown(value)}", _remedy(node)


def _remedy(node: Node) -> str:
    if "patternErrorMessage" in node:
        return str(node["patternErrorMessage"]).rstrip(".")
    if "enum" in node:
        return f"Choose one of {', '.join(node['enum'])}"
    if "properties" in node:
        return f"Its keys are {', '.join(node['properties'])}"
    if node["type"] in ("array", "object"):
        return "Write it as [one, another]" if node["type"] == "array" else "Write it as name: value"
    return f"Write {WORDS[node['type']]}"


def _put_aside(data: Any, path: Sequence[str | int]) -> None:
    """Leave out the value at a path. Where there must be one, put an example, so that no other item moves."""
    *outer, last = path
    for part in outer:
        data = data[part]
    parent = at(outer)
    if isinstance(last, int) or last in parent.get("required", ()) or _is_text(parent.get("additionalProperties")):
        data[last] = _example(at(path))
    else:
        data.pop(last, None)


def _is_text(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == "string"


def _example(node: Node) -> Any:
    if "examples" in node:
        return node["examples"][0]
    return {} if node["type"] == "object" else node.get("minimum", "")
