"""Locks rendered for other tools."""
