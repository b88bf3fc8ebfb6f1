"""Build the stack's output `inventory`: the contract with Ansible, whose schema the collection holds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from jsonschema import Draft202012Validator

from .components.nodes import Node
from .config.layout import Layout
from .userdata import MARKER

SCHEMA = Path(__file__).parents[1] / "plugins" / "plugin_utils" / "inventory" / "inventory.schema.json"


class InventoryError(Exception):
    """The inventory does not fit its schema: a bug in this program."""


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def checked(inventory: dict[str, Any]) -> dict[str, Any]:
    """Return the inventory if it fits the schema.

    :raises InventoryError: with the first few errors
    """
    wrong = sorted(_validator().iter_errors(inventory), key=lambda error: list(map(str, error.absolute_path)))
    if wrong:
        told = "; ".join(f"{error.json_path}: {error.message}" for error in wrong[:5])
        raise InventoryError(f"the inventory does not fit {SCHEMA.name}: {told}")
    return inventory


def inventory_of(layout: Layout, nodes: list[Node]) -> pulumi.Output[dict[str, Any]]:
    """Return what Ansible needs to know of each machine. It holds no secret, because many people can read outputs."""

    def host(node: Node, instance_id: str, private_ip: str, public_ip: str | None) -> dict[str, Any]:
        spec = node.group.spec
        return {
            "tier": node.group.tier,
            "group": node.group.name,
            "index": node.index,
            "platform": node.group.platform,
            "instance_type": spec.instance_type,
            "instance_id": instance_id,
            "zone": node.group.zone,
            "private_ip": private_ip,
            "public_ip": public_ip if spec.public and public_ip else None,
            "connection": layout.connection,
            "capacity": spec.capacity.mode,
            "storage": spec.storage,
            "efa": spec.efa,
        }

    def whole(values: list[Any]) -> dict[str, Any]:
        found = {}
        for place, node in enumerate(nodes):
            found[node.name] = host(node, *values[3 * place : 3 * place + 3])
        return checked(
            {
                "schema": 1,
                "project": layout.project,
                "stack": layout.stack,
                "region": layout.region,
                "user": layout.cluster.host.user,
                "root": layout.cluster.host.root,
                "marker": MARKER,
                "hosts": found,
            }
        )

    values: list[pulumi.Input[Any]] = []
    for node in nodes:
        values += [node.instance.id, node.instance.private_ip, node.instance.public_ip]
    return pulumi.Output.all(*values).apply(whole)
