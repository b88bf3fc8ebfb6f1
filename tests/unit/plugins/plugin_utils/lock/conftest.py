"""Fixtures of these tests."""

from tests.support.conda_forge import metadata
from tests.support.lock_site import site
from tests.support.package_index import index, published_urls

__all__ = ["index", "metadata", "published_urls", "site"]
