"""Render locks as files that other tools install from."""
