"""Observations of hosts as one run leaves them, and the report that is built from them; for tests of audits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import DRIFT, Drift
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.cross_host import compare_hosts
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.hosts import load
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.report import Run, build
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.settings import observation_file

A, B = "a1" * 32, "b2" * 32


def entry(
    name: str, tier: str = "prod", run: str = "r1", drifts: tuple[Drift, ...] = (), **more: Any
) -> dict[str, Any]:
    envs = more.pop("envs", {"train": (A, "c" * 64)})
    return {
        "schema": 1, "run": run, "host": name, "at": "2026-11-22T10:00:00+00:00", "tier": tier, "depth": "stats",
        "verdict": "parity", "maintenance": None, "drift": [drift.to_json() for drift in drifts],
        "declared": {"root": "/opt/lockstep", "tier": tier, "platform": "linux-64",
                     "envs": {env: {"lock": "l", "digest": A, "error": ""} for env in envs}},
        "observation": {
            "schema": 1, "errors": [], "host": {"platform": "linux-64", "os": "Debian 12", "gpu": {}},
            "envs": {env: {"link": "ok", "digest": d, "content": c} for env, (d, c) in envs.items()},
        },
        **more,
    }  # fmt: skip


def keep(folder: Path, *entries: dict[str, Any]) -> None:
    for item in entries:
        path = observation_file(folder, item["host"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item))


def audit(
    folder: Path, *entries: dict[str, Any], meant: tuple[str, ...] = (), fleet: dict[str, str] | None = None
) -> Any:
    keep(folder, *entries)
    names = meant or tuple(item["host"] for item in entries)
    hosts = load(folder, names, "r1", observation_file)
    compare_hosts(hosts)
    run = Run("r1", "2026-11-22T10:00:05+00:00", "stats", ["dev", "test", "prod"],
                      fleet or {host.name: host.tier for host in hosts})  # fmt: skip
    return build(hosts, run)


def drift(severity: str = DRIFT, subject: str = "train") -> Drift:
    return Drift(Kind.FILE_MISSING, subject, "lib/x.py is missing", severity=severity)
