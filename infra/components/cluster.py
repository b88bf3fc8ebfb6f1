"""A whole stack in one component."""

from __future__ import annotations

import pulumi

from infra.config.layout import Layout
from infra.inventory import inventory_of

from .access import Access
from .network import Network
from .nodes import Node, NodeGroup


class Cluster(pulumi.ComponentResource):
    """Network, access and node groups; `inventory` is what Ansible reads."""

    inventory: pulumi.Output[dict[str, object]]
    nodes: list[Node]

    def __init__(self, name: str, layout: Layout, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lockstep:infra:Cluster", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        network = Network(name, layout, opts=mine)
        access = Access(name, layout, network, opts=mine)
        self.nodes = []
        for group in layout.groups:
            made = NodeGroup(
                f"{name}-{group.name}",
                layout,
                group,
                subnet=(network.public if group.spec.public else network.private)[group.zone],
                security_group=access.security_group,
                profile=access.profile,
                opts=mine,
            )
            self.nodes += made.nodes
        self.inventory = inventory_of(layout, self.nodes)
        self.register_outputs({"inventory": self.inventory})
