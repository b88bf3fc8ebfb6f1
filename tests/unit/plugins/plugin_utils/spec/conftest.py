"""Fixtures of these tests."""

from tests.support.conda_forge import metadata

__all__ = ["metadata"]
