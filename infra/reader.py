"""Read plain data into the model's types: every mistake is found, and each is told by its key, with a remedy."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .model import Rule

T = TypeVar("T")
WORDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping"}


class Problems:
    """Mistakes, collected so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._seen: list[str] = []
        self._settled: list[str] = []

    def add(self, path: str, what: str, remedy: str) -> None:
        """Note one: the key's path, what is wrong with it, and what to write instead."""
        if any(_within(path, known) or _within(known, path) for known in self._settled):
            return
        self._seen.append(path)
        self.found.append(f"{path}: {what}. {remedy}" + ("" if remedy.endswith("?") else "."))

    def settle(self) -> None:
        """From now on, take nothing more about keys that have a mistake already: it would only follow from that one."""
        self._settled = list(self._seen)


class _Bad(Exception):
    """A value that was reported already; whoever needs it gives up quietly."""


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((outer + ".", outer + "["))


def rules(kind: type) -> dict[str, tuple[Field[Any], Any, Rule]]:
    """Give each key of a model's class: its field, its bare type and its rule."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for one in fields(kind):
        annotated = hints[one.name]
        bare, rule = (
            (get_args(annotated)[0], get_args(annotated)[1])
            if get_origin(annotated) is Annotated
            else (annotated, Rule(""))
        )
        found[one.name] = (one, bare, rule)
    return found


def required(one: Field[Any]) -> bool:
    """Tell whether a key has no default."""
    return one.default is MISSING and one.default_factory is MISSING


def without_none(bare: Any) -> tuple[Any, bool]:
    """Split `X | None` into X and whether None was there."""
    if get_origin(bare) in (Union, types.UnionType):
        inner = [one for one in get_args(bare) if one is not type(None)]
        return inner[0], True
    return bare, False


def read(kind: type[T], raw: object, problems: Problems, path: str = "") -> T | None:
    """Make an instance of a model's class from plain data, noting every mistake.

    A wrong value is left at its default, so that the rest can be checked as well. None where nothing can be made.

    :param raw: what YAML or JSON gave
    :param path: the key of `raw`, for messages
    """
    try:
        return _object(kind, raw, problems, path)
    except _Bad:
        return None


def _object(kind: type[T], raw: object, problems: Problems, path: str) -> T:
    if not isinstance(raw, Mapping):
        problems.add(path, f"must be a mapping, not {_shown(raw)}", f"Its keys are {', '.join(rules(kind))}")
        raise _Bad
    known: dict[str, tuple[Field[Any], Any, Rule]] = rules(kind)
    values: dict[str, Any] = {}
    for name in raw:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"The keys here are {', '.join(known)}"
            problems.add(_join(path, str(name)), "is not a key that exists", hint)
    for name, (one, bare, rule) in known.items():
        here = _join(path, name)
        if name not in raw or raw[name] is None:
            if required(one):
                problems.add(here, "is missing", f"Set it: {rule.doc.rstrip('.')}")
                values[name] = _stand_in(bare)
            continue
        try:
            values[name] = _value(bare, raw[name], rule, problems, here)
        except _Bad:
            if required(one):
                values[name] = _stand_in(bare)
    return kind(**values)


def _stand_in(bare: Any) -> Any:
    """Take the place of a required value that is missing or wrong, so that the rest can be checked."""
    return {} if get_origin(bare) is dict else ""


def _value(bare: Any, raw: object, rule: Rule, problems: Problems, path: str) -> Any:
    bare, _ = without_none(bare)
    origin = get_origin(bare)
    if is_dataclass(bare) and isinstance(bare, type):
        return _object(bare, raw, problems, path)
    if origin is list:
        if not isinstance(raw, list):
            problems.add(path, f"must be a list, not {_shown(raw)}", "Write it as [one, another]")
            raise _Bad
        numbered = [(f"{path}[{number}]", item) for number, item in enumerate(raw)]
        return [value for _, value in _all(numbered, get_args(bare)[0], rule, problems)]
    if origin is dict:
        if not isinstance(raw, Mapping):
            problems.add(path, f"must be a mapping, not {_shown(raw)}", "Write it as name: value")
            raise _Bad
        named = [(_join(path, str(name)), item) for name, item in raw.items()]
        names = {_join(path, str(name)): str(name) for name in raw}
        return {names[here]: value for here, value in _all(named, get_args(bare)[1], rule, problems)}
    return _scalar(bare, raw, rule, problems, path)


def _all(items: list[tuple[str, object]], bare: Any, rule: Rule, problems: Problems) -> list[tuple[str, Any]]:
    good = []
    for path, item in items:
        try:
            good.append((path, _value(bare, item, rule, problems, path)))
        except _Bad:
            continue
    return good


def _scalar(bare: type, raw: object, rule: Rule, problems: Problems, path: str) -> Any:
    value = raw
    # `pulumi config set` stores a scalar at the top level as text
    if bare is bool and raw in ("true", "false"):
        value = raw == "true"
    if bare is int and isinstance(raw, str) and re.fullmatch(r"\d+", raw):
        value = int(raw)
    if bare is int and isinstance(raw, float) and raw.is_integer():
        value = int(raw)
    if not isinstance(value, bare) or (bare is int and isinstance(value, bool)):
        problems.add(path, f"must be {WORDS[bare]}, not {_shown(raw)}", _remedy(bare, rule))
        raise _Bad
    if rule.choices and value not in rule.choices:
        near = difflib.get_close_matches(str(value), rule.choices, 1)
        hint = f"Did you mean {near[0]}?" if near else "Choose one of them"
        problems.add(path, f"is {_shown(value)}, but must be one of {', '.join(rule.choices)}", hint)
        raise _Bad
    if isinstance(value, int) and not isinstance(value, bool):
        low, high = rule.least, rule.most
        if (low is not None and value < low) or (high is not None and value > high):
            problems.add(path, f"is {value}, outside {low} to {high}", f"Choose a number from {low} to {high}")
            raise _Bad
    if rule.pattern and isinstance(value, str) and not re.fullmatch(rule.pattern, value):
        problems.add(path, f"is {_shown(value)}, which cannot be right", _remedy(bare, rule))
        raise _Bad
    return value


def _remedy(bare: type, rule: Rule) -> str:
    if rule.form:
        return f"Write it {rule.form}" if rule.form.startswith("like ") else f"Write {rule.form}"
    if rule.choices:
        return f"Choose one of {', '.join(rule.choices)}"
    return f"Write {WORDS[bare]}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and not path.endswith(":") else path + name


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
