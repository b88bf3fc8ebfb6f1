"""What the report of an audit proves of one tier: that every host outside maintenance holds exactly the tier's locks.

A report is a file that somebody hands in: whatever is missing, malformed or contradicts itself proves nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..audit.hosts import LIMIT
from ..audit.report import SCHEMA
from ..audit.verdict import Verdict
from ..core.text import plain

DEPTHS = ("stats", "hashes")
"""The depths that look at every file of an environment, the lesser first."""
SKEW = datetime.timedelta(minutes=5)
"""How far another controller's clock may be ahead."""


@dataclass(frozen=True, order=True)
class Refusal:
    """One reason against it: a host (or what else is meant), why, and what to do."""

    subject: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.why} -> {self.remedy}"


class ProofError(ValueError):
    """The report as a whole proves nothing."""

    def __init__(self, subject: str, why: str, remedy: str) -> None:
        super().__init__(why)
        self.refusal = Refusal(subject, why, remedy)


@dataclass(frozen=True)
class Report:
    """A report of a form that can be judged, and the sha256 of its file."""

    sha256: str
    run: str
    at: datetime.datetime
    depth: str
    limited: bool
    left_out: int
    results: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What is to be proven.

    :param tier: the former tier
    :param hosts: its hosts by the inventory, each with the names of the environments that it should hold
    :param locks: for each environment in question the digest of the tier's lock by platform
    :param max_age: how old the report may be
    :param depth: the least depth of `DEPTHS`
    """

    tier: str
    hosts: Mapping[str, Sequence[str]]
    locks: Mapping[str, Mapping[str, str]]
    max_age: datetime.timedelta
    depth: str = DEPTHS[0]


@dataclass
class Proof:
    """What came of it: reasons against, and for each environment and platform the number of hosts that hold it."""

    refusals: list[Refusal] = field(default_factory=list)
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)  # hosts in maintenance, by environment


AUDIT = "run playbooks/audit.yml"


def read(path: Path) -> Report:
    """Read a report.json.

    :raises ProofError: where there is none, or none that can be judged
    """
    name = str(path)
    try:
        if path.stat().st_size > LIMIT:
            raise ProofError(name, "it is too large to be a report", f"{AUDIT} again")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ProofError(name, "there is no report of an audit", f"{AUDIT}, or name one (-e report=FILE)") from None
    except OSError as error:
        raise ProofError(name, f"it cannot be read ({error.strerror})", "correct that, or audit again") from None
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {plain(str(found['schema']), 20)} is not {SCHEMA}")
        at = datetime.datetime.fromisoformat(_text(found, "at"))
        if at.tzinfo is None:
            raise ValueError("its time has no zone")
        results = {_text(result, "host"): _result(result) for result in found["results"]}
        hosts = found["hosts"]
        if len(results) != len(found["results"]) or len(results) != hosts["audited"]:
            raise ValueError("its numbers of hosts contradict each other")
        left_out = hosts["total"] - hosts["audited"]
        if not isinstance(hosts["limited"], bool) or hosts["limited"] != (left_out > 0):
            raise ValueError("its numbers of hosts contradict each other")
        return Report(
            sha256=hashlib.sha256(data).hexdigest(),
            run=_text(found, "run"),
            at=at,
            depth=_text(found, "depth"),
            limited=hosts["limited"],
            left_out=left_out,
            results=results,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else plain(str(error), 120)
        raise ProofError(name, f"it is no report that this version reads ({why})", f"{AUDIT} again") from None


def _text(data: Mapping[str, Any], key: str) -> str:
    if not isinstance(data[key], str) or not data[key]:
        raise ValueError(f"{key} is not a text")
    return str(data[key])


def _result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check the form of what is said of one host."""
    Verdict(result["verdict"])
    for key in ("tier", "platform", "around"):
        if not isinstance(result[key], str):
            raise ValueError(f"{key} is not a text")
    if (result["verdict"] == Verdict.MAINTENANCE.value) != bool(result["maintenance"]):
        raise ValueError("maintenance without a reason, or a reason without maintenance")
    for env in result["envs"].values():
        if not isinstance(env["verdict"], str) or not isinstance(env.get("digest", ""), str):
            raise ValueError("what is said of an environment is malformed")
    for item in result["drift"]:
        if not isinstance(item["subject"], str) or not isinstance(item["detail"], str):
            raise ValueError("a difference is malformed")
    return result


def judge(report: Report, asked: Asked, now: datetime.datetime) -> Proof:
    """Say what a report proves of a tier.

    :param now: the time, with its zone
    """
    proof = Proof()
    proof.refusals += _whole(report, asked, now)
    names = sorted(asked.hosts)
    gone = sorted(name for name, result in report.results.items() if result["tier"] == asked.tier and name not in names)
    if not names:
        proof.refusals.append(
            Refusal(asked.tier, "the inventory has no host of this tier, so nothing can be proven of it",
                    "give the inventory that has them (-i)")
        )  # fmt: skip
    for name in names:
        wanted = [env for env in asked.locks if env in asked.hosts[name]]
        if wanted:
            _host(name, wanted, report, asked, proof)
    for name in gone:
        if report.results[name]["verdict"] not in (Verdict.PARITY.value, Verdict.MAINTENANCE.value):
            proof.refusals.append(
                Refusal(name, "the report has it as not in parity, and the inventory has no such host (any more)",
                        f"{AUDIT} again with this inventory")
            )  # fmt: skip
    for env in asked.locks:
        if names and not any(env in asked.hosts[name] for name in names):
            proof.refusals.append(
                Refusal(env, f"no host of {asked.tier} is declared to hold it, so nothing proves its lock",
                        f"add it to lockstep_envs of a host of {asked.tier}, or leave it out (-e env=...)")
            )  # fmt: skip
        elif names and proof.away.get(env, 0) == sum(env in asked.hosts[name] for name in names):
            proof.refusals.append(
                Refusal(env, f"all hosts of {asked.tier} that should hold it are in maintenance: none proves its lock",
                        "wait for one of them, then audit again")
            )  # fmt: skip
    return proof


def _whole(report: Report, asked: Asked, now: datetime.datetime) -> Iterator[Refusal]:
    age = now - report.at
    hours = asked.max_age / datetime.timedelta(hours=1)
    if age > asked.max_age:
        yield Refusal(
            "the report", f"it is {age / datetime.timedelta(hours=1):.1f} hours old; {hours:g} are allowed",
            f"{AUDIT} again (the limit is lockstep_promote_max_age_hours)",
        )  # fmt: skip
    elif age < -SKEW:
        yield Refusal("the report", f"it is from the future ({report.at.isoformat()})", "set the clocks, audit again")
    if report.limited:
        yield Refusal(
            "the report", f"it is limited: {report.left_out} hosts were not looked at", f"{AUDIT} without --limit"
        )
    if report.depth not in DEPTHS[DEPTHS.index(asked.depth) :]:
        remedy = f"{AUDIT} " + ("-e depth=hashes" if asked.depth == "hashes" else "at depth stats or hashes")
        yield Refusal("the report", f"depth {plain(report.depth, 20)} does not look deep enough for a proof", remedy)


def _host(name: str, wanted: Sequence[str], report: Report, asked: Asked, proof: Proof) -> None:
    """Judge one host of the tier for the environments in question."""
    result = report.results.get(name)
    if result is None or result["tier"] != asked.tier:
        why = (
            "the report says nothing of it" if result is None else f"the report has it in {result['tier'] or 'no'} tier"
        )
        proof.refusals.append(Refusal(name, why, f"{AUDIT} again, of the whole fleet"))
        return
    if result["verdict"] == Verdict.MAINTENANCE.value:
        for env in wanted:
            proof.away[env] = proof.away.get(env, 0) + 1
        return
    for env in wanted:
        refusal = _env(name, env, result, asked)
        if refusal:
            proof.refusals.append(refusal)
        else:
            held = proof.held.setdefault(env, {})
            held[result["platform"]] = held.get(result["platform"], 0) + 1
    if result["around"] != Verdict.PARITY.value and not any(refusal.subject == name for refusal in proof.refusals):
        rest = [item for item in result["drift"] if item["subject"] not in result["envs"]]
        proof.refusals.append(_differs(name, str(result["around"]), rest, ""))


def _env(name: str, env: str, result: Mapping[str, Any], asked: Asked) -> Refusal | None:
    declared = asked.locks[env].get(result["platform"])
    seen = result["envs"].get(env)
    if seen is None and result["verdict"] != Verdict.PARITY.value:
        return _differs(name, result["verdict"], [item for item in result["drift"] if item["subject"] == "host"], env)
    if seen is None:
        return Refusal(name, f"{env}: the report was made before it was declared for this host", f"{AUDIT} again")
    if seen["verdict"] != Verdict.PARITY.value:
        rest = [item for item in result["drift"] if item["subject"] in (env, "host")]
        return _differs(name, str(seen["verdict"]), rest, env)
    if declared is None:
        return Refusal(
            name, f"{env}: the lock of {asked.tier} has nothing for {result['platform'] or 'its platform'}",
            "lock again for that platform (lockstep_platforms)",
        )  # fmt: skip
    if seen.get("digest") != declared:
        return Refusal(
            name,
            f"{env}: it held {seen.get('digest', '')[:12] or 'nothing'} when it was audited, and the lock of "
            f"{asked.tier} is {declared[:12]} now",
            f"run site.yml --limit {name}, then audit again",
        )
    return None


def _differs(name: str, verdict: str, drift: Sequence[Mapping[str, Any]], env: str) -> Refusal:
    first = f"{drift[0]['subject']}: {drift[0]['detail']}" if drift else f"{env or 'the host'} is not in parity"
    more = f" (and {len(drift) - 1} more)" if len(drift) > 1 else ""
    remedy = (
        f"run site.yml --limit {name} where it can repair that, then audit again"
        if verdict == Verdict.DRIFT.value
        else "make the host readable, or declare its maintenance (lockstep_maintenance), then audit again"
    )
    return Refusal(name, f"{plain(verdict, 20)}: {plain(first, 160)}{more}", remedy)
