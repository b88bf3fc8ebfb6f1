"""Fixtures of these tests."""

from tests.support.import_site import site

__all__ = ["site"]
