"""The audit gate: check in an audit report that every host of a tier outside maintenance holds exactly its locks.

A report is untrusted data: if anything is missing, malformed or contradictory, the gate refuses.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..audit.hosts import LIMIT
from ..audit.report import SCHEMA
from ..audit.verdict import Verdict
from ..core.digest import sha256
from ..core.errors import ControllerError
from ..core.text import plain

DEPTHS = ("stats", "hashes")
"""The depths that inspect every file of an environment, the lesser first."""
SKEW = datetime.timedelta(minutes=5)
"""How far another controller's clock may be ahead."""


@dataclass(frozen=True, order=True)
class Refusal:
    """One reason to refuse a promotion: a host (or environment, tier, file), the cause, and the remedy."""

    subject: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.why} -> {self.remedy}"


class ReportError(ControllerError):
    """A report that cannot be read, or is not an audit report."""

    @property
    def refusal(self) -> Refusal:
        """The error as a reason to refuse a promotion."""
        return Refusal(self.what, self.cause, self.remedy)


@dataclass(frozen=True)
class Report:
    """A valid audit report, and the sha256 of its file; `results` are by host."""

    sha256: str
    run: str
    at: datetime.datetime
    depth: str
    limited: bool
    left_out: int
    results: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Criteria:
    """What the gate requires of a report.

    :param tier: the tier to promote from
    :param hosts: the tier's hosts in the inventory, each with the names of its declared environments
    :param locks: for each environment to promote, the digest of the tier's lock by platform
    :param max_age: maximum age of the report
    :param depth: the least depth of `DEPTHS`
    """

    tier: str
    hosts: Mapping[str, Sequence[str]]
    locks: Mapping[str, Mapping[str, str]]
    max_age: datetime.timedelta
    depth: str = DEPTHS[0]


@dataclass
class GateResult:
    """The refusals, and for each environment and platform the number of hosts that hold its lock."""

    refusals: list[Refusal] = field(default_factory=list)
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)  # hosts in maintenance, by environment


AUDIT = "run playbooks/audit.yml"


def read(path: Path) -> Report:
    """Read a report.json; raises ReportError."""
    name = str(path)
    try:
        if path.stat().st_size > LIMIT:
            raise ReportError(name, f"it has more than {LIMIT >> 20} MiB", f"{AUDIT} again")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ReportError(name, "there is no audit report", f"{AUDIT}, or name one (-e report=FILE)") from None
    except OSError as error:
        raise ReportError(name, f"it cannot be read ({error.strerror})", "make it readable, or audit again") from None
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {plain(str(found['schema']), 20)} is not {SCHEMA}")
        at = datetime.datetime.fromisoformat(_text(found, "at"))
        if at.tzinfo is None:
            raise ValueError("its time has no time zone")
        results = {_text(result, "host"): _result(result) for result in found["results"]}
        hosts = found["hosts"]
        if len(results) != len(found["results"]) or len(results) != hosts["audited"]:
            raise ValueError("its numbers of hosts contradict each other")
        left_out = hosts["total"] - hosts["audited"]
        if not isinstance(hosts["limited"], bool) or hosts["limited"] != (left_out > 0):
            raise ValueError("its numbers of hosts contradict each other")
        return Report(
            sha256=sha256(data),
            run=_text(found, "run"),
            at=at,
            depth=_text(found, "depth"),
            limited=hosts["limited"],
            left_out=left_out,
            results=results,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else plain(str(error), 120)
        raise ReportError(name, f"it is not a report of this version ({why})", f"{AUDIT} again") from None


def _text(data: Mapping[str, Any], key: str) -> str:
    if not isinstance(data[key], str) or not data[key]:
        raise ValueError(f"{key} is not a text")
    return str(data[key])


def _result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result of one host after a check of its form; raises ValueError, KeyError, TypeError."""
    Verdict(result["verdict"])
    for key in ("tier", "platform", "around"):
        if not isinstance(result[key], str):
            raise ValueError(f"{key} is not a text")
    if (result["verdict"] == Verdict.MAINTENANCE.value) != bool(result["maintenance"]):
        raise ValueError("maintenance without a reason, or a reason without maintenance")
    for env in result["envs"].values():
        if not isinstance(env["verdict"], str) or not isinstance(env.get("digest", ""), str):
            raise ValueError("an environment is malformed")
    for item in result["drift"]:
        if not isinstance(item["subject"], str) or not isinstance(item["detail"], str):
            raise ValueError("a difference is malformed")
    return result


def evaluate(report: Report, criteria: Criteria, now: datetime.datetime) -> GateResult:
    """Check a report against the criteria.

    :param now: the time, with its zone
    """
    gate = GateResult()
    gate.refusals += _check_report(report, criteria, now)
    names = sorted(criteria.hosts)
    gone = sorted(
        name for name, result in report.results.items() if result["tier"] == criteria.tier and name not in names
    )
    if not names:
        gate.refusals.append(
            Refusal(criteria.tier, "the inventory has no host of this tier, so no audit covers it",
                    "use an inventory that has its hosts (-i)")
        )  # fmt: skip
    for name in names:
        wanted = [env for env in criteria.locks if env in criteria.hosts[name]]
        if wanted:
            _check_host(name, wanted, report, criteria, gate)
    for name in gone:
        if report.results[name]["verdict"] not in (Verdict.PARITY.value, Verdict.MAINTENANCE.value):
            gate.refusals.append(
                Refusal(name, "the report has it as not in parity, and the inventory no longer has this host",
                        f"{AUDIT} again with this inventory")
            )  # fmt: skip
    for env in criteria.locks:
        if names and not any(env in criteria.hosts[name] for name in names):
            gate.refusals.append(
                Refusal(env, f"no host of {criteria.tier} is declared to hold it, so no audit covers its lock",
                        f"add it to lockstep_envs of a host of {criteria.tier}, or leave it out (-e env=...)")
            )  # fmt: skip
        elif names and gate.away.get(env, 0) == sum(env in criteria.hosts[name] for name in names):
            gate.refusals.append(
                Refusal(env, f"all hosts of {criteria.tier} that should hold it are in maintenance",
                        "wait for one of them, then audit again")
            )  # fmt: skip
    return gate


def _check_report(report: Report, criteria: Criteria, now: datetime.datetime) -> Iterator[Refusal]:
    age = now - report.at
    hours = criteria.max_age / datetime.timedelta(hours=1)
    if age > criteria.max_age:
        yield Refusal(
            "the report", f"it is {age / datetime.timedelta(hours=1):.1f} hours old; {hours:g} are allowed",
            f"{AUDIT} again (the limit is lockstep_promote_max_age_hours)",
        )  # fmt: skip
    elif age < -SKEW:
        yield Refusal("the report", f"it is from the future ({report.at.isoformat()})", "set the clocks, audit again")
    if report.limited:
        yield Refusal("the report", f"it leaves out {report.left_out} hosts", f"{AUDIT} without --limit")
    if report.depth not in DEPTHS[DEPTHS.index(criteria.depth) :]:
        remedy = f"{AUDIT} " + ("-e depth=hashes" if criteria.depth == "hashes" else "at depth stats or hashes")
        yield Refusal("the report", f"depth {plain(report.depth, 20)} does not inspect enough for a promotion", remedy)


def _check_host(name: str, wanted: Sequence[str], report: Report, criteria: Criteria, gate: GateResult) -> None:
    """Check one host of the tier for the environments to promote; add the outcome to `gate`."""
    result = report.results.get(name)
    if result is None or result["tier"] != criteria.tier:
        why = "the report does not have it" if result is None else f"the report has it in {result['tier'] or 'no'} tier"
        gate.refusals.append(Refusal(name, why, f"{AUDIT} again, of the whole fleet"))
        return
    if result["verdict"] == Verdict.MAINTENANCE.value:
        for env in wanted:
            gate.away[env] = gate.away.get(env, 0) + 1
        return
    for env in wanted:
        refusal = _check_env(name, env, result, criteria)
        if refusal:
            gate.refusals.append(refusal)
        else:
            held = gate.held.setdefault(env, {})
            held[result["platform"]] = held.get(result["platform"], 0) + 1
    if result["around"] != Verdict.PARITY.value and not any(refusal.subject == name for refusal in gate.refusals):
        rest = [item for item in result["drift"] if item["subject"] not in result["envs"]]
        gate.refusals.append(_differs(name, str(result["around"]), rest, ""))


def _check_env(name: str, env: str, result: Mapping[str, Any], criteria: Criteria) -> Refusal | None:
    """Return the reason why a host does not hold an environment's lock according to its result; None if it does."""
    declared = criteria.locks[env].get(result["platform"])
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
            name, f"{env}: the lock of {criteria.tier} has no packages for {result['platform'] or 'its platform'}",
            "lock again for that platform (lockstep_platforms)",
        )  # fmt: skip
    if seen.get("digest") != declared:
        return Refusal(
            name,
            f"{env}: it held {seen.get('digest', '')[:12] or 'no environment'} in the audit, but the lock of "
            f"{criteria.tier} is now {declared[:12]}",
            f"run site.yml --limit {name}, then audit again",
        )
    return None


def _differs(name: str, verdict: str, drift: Sequence[Mapping[str, Any]], env: str) -> Refusal:
    first = f"{drift[0]['subject']}: {drift[0]['detail']}" if drift else f"{env or 'the host'} is not in parity"
    more = f" (and {len(drift) - 1} more)" if len(drift) > 1 else ""
    remedy = (
        f"run site.yml --limit {name} if it can repair that, then audit again"
        if verdict == Verdict.DRIFT.value
        else "make the host readable, or declare its maintenance (lockstep_maintenance), then audit again"
    )
    return Refusal(name, f"{plain(verdict, 20)}: {plain(first, 160)}{more}", remedy)
