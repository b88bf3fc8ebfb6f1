"""What pulumi_aws's own argument classes say: names, types and required inputs of resources and of lookups."""

from __future__ import annotations

import difflib
import inspect
import threading
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import pulumi._types as pulumi_types

from local.fakes.aws_provider.wire import UNK, Values

Shape = (
    Any  # a type as pulumi_aws writes it: str, Sequence[...], Mapping[str, ...], an input class, or a Union of those
)

_LOADING = threading.Lock()  # pulumi_aws imports its modules lazily, which is not safe in parallel


class SchemaError(Exception):
    """pulumi_aws has no such resource or lookup."""


@dataclass(frozen=True)
class Schema:
    """Inputs and outputs of one resource type, by their names on the wire."""

    inputs: Mapping[str, Shape]
    required: frozenset[str]
    outputs: frozenset[str]


def _module(token: str) -> tuple[Any, str]:
    """The module of pulumi_aws and the member that ``aws:ec2/vpc:Vpc`` names."""
    package, _, rest = token.partition(":")
    path, _, member = rest.partition(":")
    if package != "aws" or not member:
        raise SchemaError(f"{token} is not of pulumi_aws")
    area = path.partition("/")[0]
    try:
        return import_module("pulumi_aws" if area == "index" else f"pulumi_aws.{area}"), member
    except ModuleNotFoundError:
        raise SchemaError(f"pulumi_aws has no module {area!r} ({token})") from None


@cache
def _required(cls: type) -> frozenset[str]:
    """Wire names of the constructor arguments without a default."""
    names = pulumi_types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls).parameters.values()
    return frozenset(names.get(p.name, p.name) for p in parameters if p.default is p.empty)


def resource(token: str) -> Schema:
    """The schema of a resource type; SchemaError when pulumi_aws has no such type."""
    with _LOADING:
        return _resource(token)


@cache
def _resource(token: str) -> Schema:
    module, name = _module(token)
    try:
        cls, arguments = getattr(module, name), getattr(module, f"{name}Args")
    except AttributeError:
        raise SchemaError(f"pulumi_aws has no resource {token}") from None
    outputs = frozenset(pulumi_types.resource_types(cls))
    return Schema(pulumi_types.input_type_types(arguments), _required(arguments), outputs)


def lookup(token: str) -> frozenset[str]:
    """Wire names of a lookup's arguments (``aws:ec2/getAmi:getAmi``); SchemaError when pulumi_aws has none."""
    with _LOADING:
        return _lookup(token)


@cache
def _lookup(token: str) -> frozenset[str]:
    module, name = _module(token)
    python = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    try:
        function = getattr(module, python)
    except AttributeError:
        raise SchemaError(f"pulumi_aws has no lookup {token}") from None
    parameters = [p for p in inspect.signature(function).parameters if p != "opts"]
    return frozenset(_camel(p) for p in parameters)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def problems(token: str, values: Values) -> list[tuple[str, str]]:
    """Every (path, reason) by which inputs differ from the argument class: unknown name, wrong type, missing."""
    schema = resource(token)
    return _members(values, schema.inputs, schema.required, "", token)


def _members(
    values: Values, shapes: Mapping[str, Shape], required: frozenset[str], path: str, what: str
) -> list[tuple[str, str]]:
    found = [(path + name, "is required") for name in sorted(required) if values.get(name) is None]
    for name, value in values.items():
        if name.startswith("__"):
            continue
        if name not in shapes:
            near = difflib.get_close_matches(name, shapes, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            found.append((path + name, f"is not an input of {what}{hint}"))
        elif value is not None:
            found += _value(value, shapes[name], path + name)
    return found


def _value(value: Any, shape: Shape, path: str) -> list[tuple[str, str]]:
    if value is UNK:
        return []
    options = _options(shape)
    if not options:  # typed Any
        return []
    attempts = [_against(value, option, path) for option in options]
    return min(attempts, key=len)


def _options(shape: Shape) -> list[Shape]:
    """The members of a Union that can be on the wire (awaitables and outputs cannot)."""
    origin: Any = typing.get_origin(shape)
    if origin is typing.Union:
        return [
            option
            for member in typing.get_args(shape)
            if member is not type(None) and not _deferred(member)
            for option in _options(member)
        ]
    return [] if shape is Any else [shape]


def _deferred(shape: Any) -> bool:
    name = getattr(typing.get_origin(shape) or shape, "__name__", "")
    return name in ("Awaitable", "Output")


def _against(value: Any, shape: Shape, path: str) -> list[tuple[str, str]]:
    origin: Any = typing.get_origin(shape)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            return [(path, f"must be a map, not {_kind(value)}")]
        inner = typing.get_args(shape)[1]
        return [
            p for key, item in value.items() if not key.startswith("__") for p in _value(item, inner, f"{path}.{key}")
        ]
    if origin is not None and issubclass(origin, Sequence):
        if not isinstance(value, list):
            return [(path, f"must be a list, not {_kind(value)}")]
        inner = typing.get_args(shape)[0]
        return [p for index, item in enumerate(value) for p in _value(item, inner, f"{path}[{index}]")]
    if isinstance(shape, type) and shape not in (str, int, float, bool):
        if pulumi_types.is_input_type(shape):
            if not isinstance(value, dict):
                return [(path, f"must be an object, not {_kind(value)}")]
            shapes = pulumi_types.input_type_types(shape)
            return _members(value, shapes, _required(shape), f"{path}.", shape.__name__.removesuffix("Args"))
        if issubclass(shape, str):  # an enumeration; the real provider takes any text here too
            shape = str
    return _scalar(value, shape, path)


def _scalar(value: Any, shape: Shape, path: str) -> list[tuple[str, str]]:
    fits = {
        str: isinstance(value, str),
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
    }.get(shape, True)
    return [] if fits else [(path, f"must be {getattr(shape, '__name__', shape)}, not {_kind(value)}")]


def _kind(value: Any) -> str:
    return {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }.get(type(value), type(value).__name__)
