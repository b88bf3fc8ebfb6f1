"""Verify an environment on a host: completion marker, manifest, modes and package records."""
