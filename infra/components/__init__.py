"""What Pulumi makes: a cluster of a network, access rules and groups of machines, one component in each module."""
