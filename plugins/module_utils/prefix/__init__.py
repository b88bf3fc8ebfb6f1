"""The verification of an environment on a host: completion marker, manifest, modes and package records."""
