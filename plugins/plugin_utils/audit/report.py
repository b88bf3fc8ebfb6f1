"""Build the data of an audit's report (report.json, schema 1; docs/reference/report.md documents it)."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .compare.drift import NOTE, Drift
from .compare.kinds import ABOUT
from .cross_host import Locks, compare_tiers
from .hosts import Host
from .verdict import Verdict

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One audit.

    :param run: its id
    :param at: its time (UTC, ISO 8601)
    :param depth: names, stats or hashes
    :param tiers: the site's tiers, in order
    :param fleet: tier by host, of all hosts of the inventory
    :param rollbacks: the locks that tiers were rolled back to
    """

    run: str
    at: str
    depth: str
    tiers: Sequence[str]
    fleet: Mapping[str, str]
    locks: Locks = field(default_factory=dict)
    rollbacks: Sequence[Mapping[str, Any]] = ()


def build(hosts: Sequence[Host], run: Run) -> dict[str, Any]:
    """Return the report.

    :param hosts: every host of the play, also those that did not answer, after `cross_host.compare_hosts`
    """
    audited = {host.name for host in hosts}
    order = {tier: index for index, tier in enumerate(run.tiers)}
    ordered = sorted(hosts, key=lambda host: (order.get(host.tier, len(order)), host.tier, host.name))
    counts = Counter(host.verdict for host in hosts)
    platforms = {host.platform for host in hosts if host.platform}
    return {
        "schema": SCHEMA,
        "run": run.run,
        "at": run.at,
        "depth": run.depth,
        "hosts": {
            "audited": len(hosts),
            "total": max(len(run.fleet), len(hosts)),
            "limited": bool(set(run.fleet) - audited),
        },
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "proven": counts[Verdict.PARITY] > 0 and not counts[Verdict.DRIFT] and not counts[Verdict.UNKNOWN],
        "envs": sorted({name for host in hosts for name in host.declared}),
        "tiers": _tiers(ordered, run, audited),
        "differences": [
            item for item in compare_tiers(run.tiers, run.locks) if not platforms or item["platform"] in platforms
        ],
        "rollbacks": [dict(item) for item in run.rollbacks],
        "simulated": sorted(host.name for host in hosts if host.facts.get("simulated")),
        "results": [_result(host, run.depth) for host in ordered],
    }


def _tiers(hosts: Sequence[Host], run: Run, audited: set[str]) -> list[dict[str, Any]]:
    names = dict.fromkeys([*run.tiers, *(host.tier for host in hosts), *run.fleet.values()])
    known = {host.platform for host in hosts if host.platform}
    only = known.pop() if len(known) == 1 else ""  # assumed for a host that did not answer
    found = []
    for tier in names:
        members = [host for host in hosts if host.tier == tier]
        left_out = sum(1 for name, where in run.fleet.items() if where == tier and name not in audited)
        if not members and not left_out:
            continue
        counts = Counter(host.verdict for host in members)
        envs = _tier_envs(members, only)
        found.append(
            {
                "tier": tier,
                "hosts": len(members) + left_out,
                "audited": len(members),
                "counts": {verdict.value: counts[verdict] for verdict in Verdict},
                "proven": not left_out and bool(members) and counts[Verdict.PARITY] == len(members),
                "platforms": sorted({platform for env in envs.values() for platform in env}),
                "envs": envs,
            }
        )
    return found


def _tier_envs(hosts: Sequence[Host], platform: str) -> dict[str, dict[str, Any]]:
    """Count a tier's hosts by environment and platform.

    :param platform: assumed for a host whose platform is not known
    """
    envs: dict[str, dict[str, Any]] = {}
    for host in hosts:
        for name, env in host.declared.items():
            place = envs.setdefault(name, {}).setdefault(
                host.platform or platform,
                {"declared": env.get("digest", ""), "hosts": 0, "parity": 0, "drift": 0, "digests": {}},
            )
            place["declared"] = place["declared"] or env.get("digest", "")
            place["hosts"] += 1
            if digest := host.envs.get(name, {}).get("digest", ""):
                place["digests"][digest] = place["digests"].get(digest, 0) + 1
            verdict = host.env_verdict(name)
            if verdict in (Verdict.PARITY, Verdict.DRIFT):
                place[verdict.value] += 1
    return envs


def _result(host: Host, depth: str) -> dict[str, Any]:
    drifts = [drift for drift in host.drifts if drift.severity != NOTE]
    return {
        "host": host.name,
        "tier": host.tier,
        "platform": host.platform,
        "at": host.at,
        "verdict": host.verdict.value,
        "maintenance": {"reason": host.window.reason, "until": str(host.window.until)} if host.window else None,
        "envs": {
            name: {
                "verdict": host.env_verdict(name).value,
                "declared": env.get("digest", ""),
                **host.envs.get(name, {}),
            }
            for name, env in host.declared.items()
        },
        "around": host.rest_verdict.value,
        "drift": [drift.to_json() for drift in drifts],
        "notes": [drift.to_json() for drift in host.drifts if drift.severity == NOTE],
        "repair": repair_steps(host.name, drifts, depth),
        "facts": host.facts,
    }


def repair_steps(host: str, drifts: Sequence[Drift], depth: str = "stats") -> list[str]:
    """Return how to repair a host: one command for all that site.yml repairs, a sentence for each other kind of drift.

    :param depth: the audit's depth; site.yml must verify as deep, or it finds nothing to repair
    """
    lines = []
    if roles := {drift.role for drift in drifts} - {""}:
        deep = " -e conda_envs_verify=hashes" if depth == "hashes" and "conda_envs" in roles else ""
        lines.append(f"ansible-playbook site.yml --limit {shlex.quote(host)}{deep}")
    lines += dict.fromkeys(ABOUT[drift.kind].remedy for drift in drifts if not drift.role)
    return lines
