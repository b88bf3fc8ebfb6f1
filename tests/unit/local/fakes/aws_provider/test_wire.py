"""Values in Pulumi's protocol."""

from __future__ import annotations

from local.fakes.aws_provider.wire import UNK, plain, wire


def test_wire_round_trip() -> None:
    values = {"a": 1, "b": [True, {"c": "x"}], "d": UNK}
    assert plain(wire(values)) == values
    assert plain(wire({"a": None})) == {}
