"""What `pulumi up` runs: read the configuration, make the cluster, give out the inventory."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import get_config_env

from .cluster import Cluster
from .config import ConfigError, from_pulumi, load


def main() -> None:
    """Run the stack's program.

    :raises pulumi.RunError: where the configuration is wrong; the engine shows it without a traceback
    """
    project, stack = pulumi.get_project(), pulumi.get_stack()
    try:
        layout = load(from_pulumi(get_config_env(), project), project, stack, pulumi.Config("aws").get("region"))
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    cluster = Cluster(stack, layout)
    pulumi.export("inventory", cluster.inventory)
