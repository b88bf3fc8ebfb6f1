"""One difference between what is declared and what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .kinds import ABOUT, Kind

DRIFT, UNKNOWN, NOTE = "drift", "unknown", "note"
"""Severities: proven to differ; could not be inspected, so not proven to agree; worth knowing, and no difference."""

SHOWN = 5  # single files named for each sort of problem


@dataclass(frozen=True)
class Drift:
    """One difference between what is declared and what was observed.

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
        """The role that repairs it; "" where a person has to."""
        return ABOUT[self.kind].role

    def to_json(self) -> dict[str, str]:
        """Plain data for a report."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Drift:
        """Read what `to_json` wrote; raises ValueError, KeyError or TypeError for anything else."""
        return cls(**{**data, "kind": Kind(data["kind"])})  # type: ignore[arg-type]


def in_sync(drifts: Sequence[Drift]) -> bool:
    """Whether a comparison proves that the host agrees: notes do not count, what could not be seen does."""
    return all(drift.severity == NOTE for drift in drifts)


def unknown(subject: str, detail: str) -> Drift:
    """Name what could not be inspected."""
    return Drift(Kind.UNREADABLE, subject, detail, severity=UNKNOWN)


def section(seen: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], list[Drift]]:
    """Return a part of an observation; an empty one, and that it is unknown, where there is none."""
    found = seen.get(key)
    if isinstance(found, Mapping):
        return found, []
    return {}, [unknown("host", f"{key} could not be inspected")]
