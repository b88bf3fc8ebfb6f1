"""What `pulumi up` runs: load the configuration, make the cluster, export the inventory."""

from __future__ import annotations

import pulumi
from pulumi.runtime import get_config_env, is_config_secret

from .components.cluster import Cluster
from .config.load import ConfigError, from_pulumi, load


def main() -> None:
    """Run the stack's program.

    :raises pulumi.RunError: where the configuration is wrong; Pulumi shows it without a traceback
    """
    project, stack = pulumi.get_project(), pulumi.get_stack()
    values = from_pulumi(get_config_env(), project)
    secrets = {name for name in values if is_config_secret(f"{project}:{name}")}
    try:
        layout = load(values, project, stack, pulumi.Config("aws").get("region"), secrets=secrets)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    cluster = Cluster(stack, layout)
    pulumi.export("inventory", cluster.inventory)
