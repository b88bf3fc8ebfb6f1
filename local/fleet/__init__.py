"""Make container hosts under a podman of their own, provision them, cause faults, and remove them completely."""
