"""Fixtures of the scenarios' checks."""

from __future__ import annotations

import pytest
from checks import Fleet


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet()
