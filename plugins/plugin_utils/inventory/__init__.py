"""Read the inventory that a Pulumi stack outputs."""
