"""A fleet on this machine: container hosts, an offline channel, an installer. Imported by nothing of the product."""
