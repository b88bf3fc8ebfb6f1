"""The comparison.

site.yml skips a host for which `compare` names nothing of severity `drift` or `unknown`; the audit reports the same
list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import plain
from ...desired.declared import Declared
from .base import base_drift, condarc_drift, shell_drift, unmanaged_drift
from .drift import DRIFT, NOTE, UNKNOWN, Drift, unknown
from .environments import environments_drift, lock_of
from .host_files import host_files_drift, rattler_drift
from .kinds import Kind
from .machine import requirements_drift, root_drift
from .schedule import clean_drift

SCHEMA = 1
LIMIT = 200  # differences of one environment, or of what is around them: more would bury the other hosts in a report


def compare(declared: Declared, observation: Any) -> list[Drift]:
    """Name everything in which an observation is not what is declared.

    :param observation: what module_utils/observe printed, as data; it comes from a host: nothing in it is trusted
    :returns: in the order of `Kind`; empty, or nothing but notes: the host is in sync
    """
    if not isinstance(observation, Mapping) or observation.get("schema") != SCHEMA:
        line = "the host gave no observation of the schema that this version reads"
        return [Drift(Kind.NOT_OBSERVED, "host", line, severity=UNKNOWN)]
    found: list[Drift] = []
    try:
        for drift in _compare(declared, observation):
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
    """The worst of each subject, and how many more there are: none loses its verdict, no host buries the others."""
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


def _compare(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    for error in seen["errors"]:
        what, gpu = str(error["what"]), str(error["what"]) in ("cuda", "nvidia-smi")
        severity = NOTE if gpu and "cuda" not in declared.system_requirements else UNKNOWN
        subject = what[4:] if what.startswith("env ") and what[4:] in declared.envs else "host"
        about = "" if subject != "host" else f"{what}: "
        yield Drift(Kind.UNREADABLE, subject, f"{about}{error['why']}", severity=severity)
    host = seen.get("host")
    if not isinstance(host, Mapping):
        yield unknown("host", "the machine could not be inspected")
        host = {}
    platform = str(host.get("platform", ""))
    yield from requirements_drift(declared, host, platform)
    if seen.get("absent"):
        yield Drift(Kind.ROOT_MISSING, "host", f"{declared.root} does not exist; nothing is installed", declared.root)
        for name in declared.envs:
            yield from lock_of(name, declared, platform)[1]
            yield Drift(Kind.ENV_MISSING, name, "not installed")
        return
    if declared.root != seen["root"]:
        yield unknown("host", f"{seen['root']} was inspected, not {declared.root}")
    yield from root_drift(seen)
    yield from base_drift(declared, seen)
    yield from shell_drift(declared, seen)
    yield from condarc_drift(declared, seen)
    yield from unmanaged_drift(declared, seen)
    yield from rattler_drift(declared, seen, platform)
    yield from host_files_drift(declared, seen)
    yield from clean_drift(declared, seen)
    yield from environments_drift(declared, seen, platform)
