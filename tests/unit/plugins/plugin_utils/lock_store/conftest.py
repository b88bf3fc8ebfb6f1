"""Fixtures of these tests."""

from tests.support.promotion_samples import site

__all__ = ["site"]
