"""Data with one value after the other replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def altered(data: Any, other: Any) -> Iterator[Any]:
    """The same data with one value after the other replaced by `other`."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        parts: list[Any] = [other]
        if isinstance(value, (dict, list)):
            parts += altered(value, other)
        for part in parts:
            if isinstance(data, dict):
                yield {**data, key: part}
            else:
                yield [*data[:key], part, *data[key + 1 :]]
