"""What differs between two values."""

from __future__ import annotations

from local.fakes.aws_provider import difference
from local.fakes.aws_provider.wire import UNK


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
