"""Decide a host's verdict; read `lockstep_maintenance`, the declared and dated exception from it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..core.text import plain
from .compare.drift import NOTE, UNKNOWN, Drift


class Verdict(Enum):
    """The verdicts on a host, most urgent first. Only parity means in sync."""

    DRIFT = "drift"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"
    PARITY = "parity"


@dataclass(frozen=True)
class Maintenance:
    """Why a host is not counted, and the last day (UTC) of its maintenance."""

    reason: str
    until: datetime.date


def maintenance(value: Any, today: datetime.date) -> tuple[Maintenance | None, str]:
    """Read `lockstep_maintenance`: `{reason, until}`, with the last day as YYYY-MM-DD.

    :param today: the current day (UTC)
    :returns: the maintenance and "", or None and why it is ignored ("" if none is declared)
    """
    if value is None or value == "" or value == {} or value is False:
        return None, ""
    if not isinstance(value, Mapping) or set(value) != {"reason", "until"}:
        return None, "lockstep_maintenance is not {reason, until}; it is ignored"
    reason, until = str(value["reason"] or "").strip(), value["until"]
    if not reason:
        return None, "lockstep_maintenance gives no reason; it is ignored"
    if isinstance(until, datetime.datetime):
        until = until.date()
    if not isinstance(until, datetime.date):
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(until)):
            return None, f"lockstep_maintenance: until is {plain(str(until), 40)!r}, not YYYY-MM-DD; it is ignored"
        try:
            until = datetime.date.fromisoformat(str(until))
        except ValueError:
            return None, f"lockstep_maintenance: {until} is not a date; it is ignored"
    if until < today:
        return None, f"maintenance ({plain(reason, 120)}) ended on {until.isoformat()}; it is ignored"
    return Maintenance(plain(reason, 200), until), ""


def verdict(drifts: Sequence[Drift], declared: Maintenance | None) -> Verdict:
    """Return the verdict on one host. Drift takes precedence over unknown, and unknown over parity."""
    if declared is not None:
        return Verdict.MAINTENANCE
    worst = {drift.severity for drift in drifts} - {NOTE}
    if not worst:
        return Verdict.PARITY
    return Verdict.UNKNOWN if worst == {UNKNOWN} else Verdict.DRIFT
