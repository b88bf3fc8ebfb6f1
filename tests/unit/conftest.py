"""What all unit tests share."""

import os
import sys

import pytest

_status = [0]


def pytest_sessionfinish(session, exitstatus):
    """Remember how the tests went."""
    _status[0] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End at once where py-rattler was used: its threads sometimes abort an interpreter that ends the usual way.

    Seen once in some hundred processes, always after the work was done; the tests' own result is what counts.
    """
    if "rattler" in sys.modules and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])
