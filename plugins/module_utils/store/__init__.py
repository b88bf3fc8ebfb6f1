"""Manage the generations of a host's environments, the links that publish them, and their in-use locks."""
