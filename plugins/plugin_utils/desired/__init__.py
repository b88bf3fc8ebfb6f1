"""From variables and locks to the desired state of a host and its install plans."""
