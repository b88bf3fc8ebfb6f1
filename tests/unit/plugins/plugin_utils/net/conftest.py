"""Fixtures of these tests."""

from tests.support.mirror_fixtures import fast_retries, made, served, site

__all__ = ["fast_retries", "made", "served", "site"]
