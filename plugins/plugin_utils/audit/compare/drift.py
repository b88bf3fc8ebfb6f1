"""One difference between the desired and the observed state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .kinds import ABOUT, Kind

DRIFT, UNKNOWN, NOTE = "drift", "unknown", "note"
"""Severities: it differs; it could not be inspected; it does not differ, but is worth knowing."""

SHOWN = 5  # files that are listed of one kind


@dataclass(frozen=True)
class Drift:
    """One difference between the desired and the observed state.

    `subject` is an environment's name, `base`, `condarc`, `rattler`, `clean` or `host`; `detail` is one line
    for people.
    """

    kind: Kind
    subject: str
    detail: str
    declared: str = ""
    observed: str = ""
    severity: str = DRIFT

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}"

    @property
    def role(self) -> str:
        """The role that repairs it; "" if it needs a manual step."""
        return ABOUT[self.kind].role

    @property
    def remedy(self) -> str:
        """How to repair it."""
        return ABOUT[self.kind].remedy

    def to_json(self) -> dict[str, str]:
        """Return it as plain data for a report."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Drift:
        """Read what `to_json` wrote.

        :raises ValueError, KeyError, TypeError: if it is anything else
        """
        return cls(**{**data, "kind": Kind(data["kind"])})  # type: ignore[arg-type]


def in_sync(drifts: Sequence[Drift]) -> bool:
    """Return whether a host is in sync: notes do not count, unknown does."""
    return all(drift.severity == NOTE for drift in drifts)


def unknown(subject: str, detail: str) -> Drift:
    """Return the drift for something that could not be inspected."""
    return Drift(Kind.UNREADABLE, subject, detail, severity=UNKNOWN)


def section(seen: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], list[Drift]]:
    """Return a section of an observation; if it is missing, an empty one and the drift that says so."""
    found = seen.get(key)
    if isinstance(found, Mapping):
        return found, []
    return {}, [unknown("host", f"{key} could not be inspected")]
