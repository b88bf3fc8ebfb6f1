"""Compare the desired with the observed state of a host.

site.yml skips a host for which `compare` names nothing of severity `drift` or `unknown`; the audit reports the same
list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import plain
from ...desired.model import DesiredState
from .base import base_drift, condarc_drift, shell_drift, unmanaged_drift
from .drift import DRIFT, NOTE, UNKNOWN, Drift, unknown
from .environments import environments_drift, lock_of
from .host_files import host_files_drift, rattler_drift
from .kinds import Kind
from .machine import requirements_drift, root_drift
from .schedule import clean_drift

SCHEMA = 1
LIMIT = 200  # differences that are listed of one subject


def compare(desired: DesiredState, observation: Any) -> list[Drift]:
    """Return every difference between the desired and the observed state.

    :param observation: the JSON data that the observer printed on the host; it can hold anything
    :returns: in the order of `Kind`; the host is in sync if the list is empty or holds only notes
    """
    if not isinstance(observation, Mapping) or observation.get("schema") != SCHEMA:
        line = "the host gave no observation of the schema that this version reads"
        return [Drift(Kind.NOT_OBSERVED, "host", line, severity=UNKNOWN)]
    found: list[Drift] = []
    try:
        for drift in _compare(desired, observation):
            found.append(drift)
    except (TypeError, KeyError, AttributeError, ValueError, IndexError, ArithmeticError, RecursionError) as error:
        found.append(unknown("host", f"the observation is malformed ({type(error).__name__}: {error})"))
    order = {kind: index for index, kind in enumerate(Kind)}
    rank = {DRIFT: 0, UNKNOWN: 1, NOTE: 2}
    tidy = [
        Drift(d.kind, plain(d.subject), plain(d.detail), plain(d.declared), plain(d.observed), d.severity)
        for d in found
    ]
    return _bounded(sorted(dict.fromkeys(tidy), key=lambda d: (rank[d.severity], order[d.kind])))


def _bounded(found: list[Drift]) -> list[Drift]:
    """Return the first LIMIT differences of each subject, of which the last says how many more there are.

    Each subject keeps its verdict, and one host cannot fill the report.
    """
    total, taken = Counter(drift.subject for drift in found), Counter[str]()
    kept: list[Drift] = []
    for drift in found:
        taken[drift.subject] += 1
        if total[drift.subject] <= LIMIT or taken[drift.subject] < LIMIT:
            kept.append(drift)
        elif taken[drift.subject] == LIMIT:
            line = f"and {total[drift.subject] - LIMIT + 1} more differences, which are not listed"
            kept.append(Drift(drift.kind, drift.subject, line, severity=drift.severity))
    return kept


def _compare(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    for error in seen["errors"]:
        what, gpu = str(error["what"]), str(error["what"]) in ("cuda", "nvidia-smi")
        severity = NOTE if gpu and "cuda" not in desired.system_requirements else UNKNOWN
        subject = what[4:] if what.startswith("env ") and what[4:] in desired.envs else "host"
        about = "" if subject != "host" else f"{what}: "
        yield Drift(Kind.UNREADABLE, subject, f"{about}{error['why']}", severity=severity)
    host = seen.get("host")
    if not isinstance(host, Mapping):
        yield unknown("host", "the machine could not be inspected")
        host = {}
    platform = str(host.get("platform", ""))
    yield from requirements_drift(desired, host, platform)
    if seen.get("absent"):
        yield Drift(Kind.ROOT_MISSING, "host", f"{desired.root} does not exist; nothing is installed", desired.root)
        for name in desired.envs:
            yield from lock_of(name, desired, platform)[1]
            yield Drift(Kind.ENV_MISSING, name, "not installed")
        return
    if desired.root != seen["root"]:
        yield unknown("host", f"{seen['root']} was inspected, not {desired.root}")
    yield from root_drift(seen)
    yield from base_drift(desired, seen)
    yield from shell_drift(desired, seen)
    yield from condarc_drift(desired, seen)
    yield from unmanaged_drift(desired, seen)
    yield from rattler_drift(desired, seen, platform)
    yield from host_files_drift(desired, seen)
    yield from clean_drift(desired, seen)
    yield from environments_drift(desired, seen, platform)
