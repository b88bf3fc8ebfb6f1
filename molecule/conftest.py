"""Fixtures of the scenarios' checks."""

from __future__ import annotations

import pytest

from tests.support.fleet_hosts import Fleet


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """The hosts of the scenario whose folder holds the test."""
    return Fleet(request.path.parent.name)
