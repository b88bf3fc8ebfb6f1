"""Write the tables of all keys for the page `docs/reference/stack-configuration.md`."""

from __future__ import annotations

import json

from .schema import Node, models, resolved

WORDS = {"string": "text", "integer": "number", "boolean": "true, false"}


def tables() -> str:
    """Write a table for each model, in the order in which they are first mentioned."""
    parts, names = [], ["Cluster"]
    for name in names:
        model = models() if name == "Cluster" else models()["$defs"][name]
        rows = ["| key | takes | default | |", "|---|---|---|---|"]
        for key, node in model["properties"].items():
            inner = _inner(node)
            names += [inner] if inner and inner not in names else []
            cells = (f"`{key}`", _takes(node), _default(key, node, model), node["description"])
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append(f"### {name}\n\n{model['description']}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def _inner(node: Node) -> str:
    """Return the name of the model that a key, or each item of it, is made of."""
    node = next((one for one in node.get("anyOf", []) if "$ref" in one), node)
    node = node.get("additionalProperties") or node
    return str(node.get("$ref", "")).rpartition("/")[2]


def _takes(node: Node) -> str:
    name, node = _inner(node), resolved(node)
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if node["type"] == "array":
        return f"list of {_takes(node['items'])}"
    if node.get("additionalProperties"):
        return f"name: {_takes(node['additionalProperties'])}"
    if name:
        return f"[{name}](#{name.lower()})"
    kind = WORDS[node["type"]]
    if "minimum" in node:
        return f"{kind}, {node['minimum']} to {node['maximum']}"
    form = node.get("patternErrorMessage", "").removeprefix("Write ").removeprefix("it ").rstrip(".")
    return f"{kind}, {form}" if form else kind


def _default(key: str, node: Node, model: Node) -> str:
    if key in model.get("required", ()):
        return "**needed**"
    if "x-default" in node:
        return str(node["x-default"])
    value = node["default"]
    if value in (None, [], {}):
        return "none"
    items = value if isinstance(value, list) else [value]
    return ", ".join(f"`{item if isinstance(item, str) else json.dumps(item)}`" for item in items)
