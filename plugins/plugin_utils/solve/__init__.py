"""Solving: py-rattler for conda packages, uv for pip sections, and why something cannot be solved."""
