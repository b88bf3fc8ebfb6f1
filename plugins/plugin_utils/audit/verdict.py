"""A host's verdict, and maintenance: the declared, dated exception from it."""

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
    """What is said of a host. Only parity is proof; the order is the order of urgency."""

    DRIFT = "drift"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"
    PARITY = "parity"


@dataclass(frozen=True)
class Maintenance:
    """Why a host is left out, and the last day (UTC) of it."""

    reason: str
    until: datetime.date


def maintenance(value: Any, today: datetime.date) -> tuple[Maintenance | None, str]:
    """Read `lockstep_maintenance`: `{reason, until}`, the date as YYYY-MM-DD, that day included.

    :returns: the maintenance, or None and why it counts as none ("" where there is nothing declared)
    """
    if value is None or value == "" or value == {} or value is False:
        return None, ""
    if not isinstance(value, Mapping) or set(value) != {"reason", "until"}:
        return None, "lockstep_maintenance is not {reason, until}: it counts as none"
    reason, until = str(value["reason"] or "").strip(), value["until"]
    if not reason:
        return None, "lockstep_maintenance gives no reason: it counts as none"
    if isinstance(until, datetime.datetime):
        until = until.date()
    if not isinstance(until, datetime.date):
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(until)):
            return None, f"lockstep_maintenance: until is {plain(str(until), 40)!r}, not YYYY-MM-DD: it counts as none"
        try:
            until = datetime.date.fromisoformat(str(until))
        except ValueError:
            return None, f"lockstep_maintenance: {until} is no day: it counts as none"
    if until < today:
        return None, f"maintenance ({plain(reason, 120)}) was over on {until.isoformat()}: it counts as none"
    return Maintenance(plain(reason, 200), until), ""


def verdict(drifts: Sequence[Drift], declared: Maintenance | None) -> Verdict:
    """The verdict on one host.

    Proven drift outweighs what could not be seen; what could not be seen is never parity.
    """
    if declared is not None:
        return Verdict.MAINTENANCE
    worst = {drift.severity for drift in drifts} - {NOTE}
    if not worst:
        return Verdict.PARITY
    return Verdict.UNKNOWN if worst == {UNKNOWN} else Verdict.DRIFT
