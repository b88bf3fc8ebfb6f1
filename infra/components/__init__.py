"""Make a cluster: network, access rules and groups of machines, one component in each module."""
