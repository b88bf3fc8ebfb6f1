"""Verdicts, and maintenance."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import DRIFT, NOTE, UNKNOWN
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.verdict import (
    Maintenance,
    Verdict,
    maintenance,
    verdict,
)

from tests.support.audit_samples import drift

TODAY = datetime.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"reason": "disk", "until": "2026-11-21"}, "ended on"),
        ({"reason": "disk", "until": "22.11.2026"}, "not YYYY-MM-DD"),
        ({"reason": "disk", "until": "2026-02-30"}, "not a date"),
        ({"reason": "", "until": "2026-12-01"}, "no reason"),
        ({"reason": "disk"}, "not {reason, until}"),
        ("yes", "not {reason, until}"),
        (True, "not {reason, until}"),
        ({"reason": "disk", "until": None}, "not YYYY-MM-DD"),
    ],
)
def test_expired_or_malformed_maintenance_is_ignored_with_a_note(value: Any, words: str) -> None:
    window, complaint = maintenance(value, TODAY)
    assert window is None
    assert words in complaint


def test_maintenance_includes_its_last_day() -> None:
    for until in ("2026-11-22", TODAY, datetime.datetime(2026, 11, 22, 8)):
        assert maintenance({"reason": " disk ", "until": until}, TODAY) == (Maintenance("disk", TODAY), "")
    assert maintenance(None, TODAY) == maintenance({}, TODAY) == (None, "")


def test_verdict_follows_the_severest_drift() -> None:
    assert verdict([], None) is Verdict.PARITY
    assert verdict([drift(NOTE)], None) is Verdict.PARITY
    assert verdict([drift(NOTE), drift(UNKNOWN)], None) is Verdict.UNKNOWN
    assert verdict([drift(UNKNOWN), drift(DRIFT)], None) is Verdict.DRIFT
    assert verdict([drift(DRIFT)], Maintenance("x", TODAY)) is Verdict.MAINTENANCE
