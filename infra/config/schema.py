"""Make JSON schemas: of the models, for messages and the reference page; of a stack's file, for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .model import Cluster

Node = dict[str, Any]
STACK_FILE = Path(__file__).with_name("stack.schema.json")
REGION = "[a-z]{2}(-[a-z]+)+-[0-9]+"


@cache
def models() -> Node:
    """Return the JSON schema of all models, without pydantic's titles and with descriptions on one line."""
    return dict(_tidy(Cluster.model_json_schema()))


def _tidy(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _tidy(value) for name, value in node.items() if name != "title"}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept


def resolved(node: Node) -> Node:
    """Follow a reference to another model, and leave out `null`."""
    if "anyOf" in node:
        node = {**node, **next(one for one in node["anyOf"] if one.get("type") != "null")}
    if "$ref" in node:
        node = {**models()["$defs"][node["$ref"].rsplit("/", 1)[1]], **node}
    return node


def at(path: Sequence[str | int]) -> Node:
    """Return the schema of the value at a path of existing keys, such as `("access", "ssh_keys", 0)`."""
    node = models()
    for part in path:
        inner = node["items"] if isinstance(part, int) else node.get("properties", {}).get(part)
        node = resolved(inner or node["additionalProperties"])
    return node


def stack_file() -> str:
    """Write the schema of a `Pulumi.<stack>.yaml`, by which editors complete and check it: the text of `STACK_FILE`."""
    whole = models()
    keys: Node = {f"lockstep:{name}": node for name, node in whole["properties"].items()}
    keys["lockstep:protect"] = {**keys["lockstep:protect"], "enum": [True, False, "true", "false", None]}
    del keys["lockstep:protect"]["anyOf"]  # `pulumi config set` writes text
    region = {"type": "string", "pattern": f"^{REGION}$", "description": "The AWS region."}
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A Pulumi stack of Lockstep",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {"aws:region": region, **keys},
                "required": ["aws:region", *(f"lockstep:{name}" for name in whole["required"])],
                "propertyNames": {"pattern": f"^(?!lockstep:)|^lockstep:({'|'.join(whole['properties'])})$"},
            }
        },
        "required": ["config"],
        "$defs": whole["$defs"],
    }
    return json.dumps(made, indent=2) + "\n"
