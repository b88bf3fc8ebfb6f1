"""The inventory that a Pulumi stack's output describes."""
