"""The comparison.

site.yml leaves alone a host for which `compare` names nothing of severity `drift` or `unknown`; the audit reports the
same list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..words import plain
from .base import base_drift, condarc_drift, strays_drift
from .declared import Declared
from .drift import DRIFT, NOTE, UNKNOWN, Drift, unknown
from .environments import environments_drift, lock_of
from .kinds import Kind
from .machine import floor_drift, root_drift
from .own_files import engine_drift, tools_drift
from .schedule import clean_drift

SCHEMA = 1


def compare(declared: Declared, observation: Any) -> list[Drift]:
    """Name everything in which an observation is not what is declared.

    :param observation: what module_utils/observer printed, as data; it comes from a host: nothing in it is trusted
    :returns: in the order of `Kind`; empty, or nothing but notes: the host is in sync
    """
    if not isinstance(observation, Mapping) or observation.get("schema") != SCHEMA:
        line = "the host gave no observation of the schema that this version reads"
        return [Drift(Kind.NOT_OBSERVED, "host", line, severity=UNKNOWN)]
    try:
        found = list(_compare(declared, observation))
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        found = [unknown("host", f"the observation is malformed ({type(error).__name__}: {error})")]
    order = {kind: index for index, kind in enumerate(Kind)}
    rank = {DRIFT: 0, UNKNOWN: 1, NOTE: 2}
    tidy = [
        Drift(d.kind, plain(d.subject), plain(d.detail), plain(d.declared), plain(d.observed), d.severity)
        for d in found
    ]
    return sorted(dict.fromkeys(tidy), key=lambda d: (rank[d.severity], order[d.kind]))


def _compare(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    for error in seen["errors"]:
        what, gpu = str(error["what"]), str(error["what"]) in ("cuda", "nvidia-smi")
        severity = NOTE if gpu and "cuda" not in declared.floor else UNKNOWN
        subject = what[4:] if what.startswith("env ") else "host"
        about = "" if what.startswith("env ") else f"{what}: "
        yield Drift(Kind.UNREADABLE, subject, f"{about}{error['why']}", severity=severity)
    host = seen.get("host")
    if not isinstance(host, Mapping):
        yield unknown("host", "the machine could not be looked at")
        host = {}
    platform = str(host.get("platform", ""))
    yield from floor_drift(declared, host, platform)
    if seen.get("absent"):
        yield Drift(Kind.ROOT_MISSING, "host", f"{declared.root} does not exist; nothing is installed", declared.root)
        for name in declared.envs:
            yield from lock_of(name, declared, platform)[1]
            yield Drift(Kind.ENV_MISSING, name, "not installed")
        return
    if declared.root != seen["root"]:
        yield unknown("host", f"it was {seen['root']} that was looked at, not {declared.root}")
    yield from root_drift(seen)
    yield from base_drift(declared, seen)
    yield from condarc_drift(declared, seen)
    yield from strays_drift(declared, seen)
    yield from engine_drift(declared, seen, platform)
    yield from tools_drift(declared, seen)
    yield from clean_drift(declared, seen)
    yield from environments_drift(declared, seen, platform)
