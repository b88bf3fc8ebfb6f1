"""The real Pulumi engine on this machine: found, downloaded or built, and kept in a cache outside the checkout."""
