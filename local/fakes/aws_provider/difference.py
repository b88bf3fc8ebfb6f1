"""What differs between two sets of inputs, as property paths, and which of those force a replacement."""

from __future__ import annotations

import json
import re
from typing import Any

from local.fakes.aws_provider.wire import UNK, Values


def paths(old: Any, new: Any, unordered: frozenset[str], at: str = "") -> list[str]:
    """Paths (``metadataOptions.httpTokens``, ``routes[0].target``) at which two values differ; an unknown differs."""
    if (isinstance(old, dict) and new is None) or (old is None and isinstance(new, dict)):
        old, new = old or {}, new or {}  # a block that comes or goes: what is in it
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(k for k in old.keys() | new.keys() if not k.startswith("__"))
        return [p for k in keys for p in paths(old.get(k), new.get(k), unordered, f"{at}.{k}" if at else k)]
    if isinstance(old, list) and isinstance(new, list):
        if generic(at) in unordered and UNK not in old and UNK not in new:
            old, new = sorted(old, key=repr), sorted(new, key=repr)
        if len(old) == len(new):
            return [
                p for i, (a, b) in enumerate(zip(old, new, strict=True)) for p in paths(a, b, unordered, f"{at}[{i}]")
            ]
        return [at]
    return [] if same(old, new) else [at]


def same(old: Any, new: Any) -> bool:
    """Equal, where absent and empty are the same, and so are two texts of one JSON document."""
    if old is UNK or new is UNK:
        return False
    if old == new or (old in (None, "", [], {}) and new in (None, "", [], {})):
        return True
    return _json(old) is not None and _json(old) == _json(new)


def _json(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def generic(path: str) -> str:
    """A path without its indices: ``ebsBlockDevices[0].iops`` is ``ebsBlockDevices.iops``."""
    return re.sub(r"\[\d+\]", "", path)


def replacing(changed: list[str], rules: frozenset[str]) -> list[str]:
    """Those of the changed paths that a rule covers: the path itself or something above or below it."""
    return [path for path in changed if any(_covers(rule, generic(path)) for rule in rules)]


def _covers(rule: str, path: str) -> bool:
    # a whole block that appears or goes changes what is below it, forcing parts included
    return path == rule or path.startswith(f"{rule}.") or rule.startswith(f"{path}.")


def at(values: Any, path: str) -> Any:
    """The value at a path, None when there is none."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if name and isinstance(values, dict):
            values = values.get(name)
        elif index and isinstance(values, list) and int(index) < len(values):
            values = values[int(index)]
        else:
            return None
    return values


def project(shape: Any, state: Any) -> Any:
    """`state` reduced to the keys that `shape` has: what was never declared is no drift, except among tags."""
    if isinstance(shape, dict) and isinstance(state, dict):
        return {
            key: state[key] if key in state and "tags" in key.lower() else project(item, state.get(key))
            for key, item in shape.items()
        }
    if isinstance(shape, list) and isinstance(state, list) and len(shape) == len(state):
        return [project(a, b) for a, b in zip(shape, state, strict=True)]
    if state is None or same(shape, state):
        return shape
    return state


def merged(defaults: Values, values: Values) -> Values:
    """Values with defaults for what is absent."""
    return {**defaults, **{k: v for k, v in values.items() if v is not None}}
