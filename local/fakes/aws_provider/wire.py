"""Values on Pulumi's wire and in Python: unknowns, wrapped secrets and outputs, numbers.

The markers are the protocol's own (sdk/proto/README in pulumi/pulumi).
"""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
WRAPPED = ("1b47061264138c4ac30d75fd1eb44270", "d0e6a833031e9bbcd3f4e8bde6ca49a4")  # secret, output

Values = dict[str, Any]


class Unknown:
    """A value that a preview cannot know."""

    _only: Unknown | None = None

    def __new__(cls) -> Unknown:
        """There is one."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "<unknown>"


UNK = Unknown()


def plain(value: Any) -> Any:
    """Wire to Python: wrappers stripped, whole floats as int, UNK for unknowns; keys that start with __ are kept."""
    if isinstance(value, struct_pb2.Struct):
        value = json_format.MessageToDict(value)
    if isinstance(value, dict):
        if value.get(SIGNATURE) in WRAPPED:
            return plain(value["value"]) if "value" in value else UNK
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNK if value == UNKNOWN else value


def wire(values: Values) -> struct_pb2.Struct:
    """Python to wire; properties that are None are left out."""
    struct = struct_pb2.Struct()
    struct.update(_out(values))
    return struct


def _out(value: Any) -> Any:
    if value is UNK:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _out(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_out(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether an unknown is anywhere in a value."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    return value is UNK or (isinstance(value, list) and any(map(has_unknown, value)))


def without_marks(values: Values) -> Values:
    """Top-level properties without the bookkeeping ones (``__defaults``)."""
    return {key: value for key, value in values.items() if not key.startswith("__")}
