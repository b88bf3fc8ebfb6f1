"""From the observations of one run to what people and programs read: a table, report.json and report.html.

Pure functions but for `load`, which reads the observations' files, and `render_html`, which reads the template.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import jinja2

from ..core.text import plain, some
from .compare.drift import DRIFT, NOTE, UNKNOWN, Drift
from .compare.kinds import ABOUT, Kind
from .compare.packages import package_changes
from .verdict import Maintenance, Verdict, verdict

SCHEMA = 1
LIMIT = 64 << 20
TEMPLATE = Path(__file__).with_name("report.html.j2")


@dataclass
class Host:
    """One host of the audit: what was declared, seen and said of it."""

    name: str
    tier: str = ""
    platform: str = ""
    root: str = ""
    machine: str = ""
    at: str = ""
    window: Maintenance | None = None
    drifts: list[Drift] = field(default_factory=list)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    envs: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seen: bool = False

    @property
    def verdict(self) -> Verdict:
        """What is said of it; a host is in parity only where each declared digest was seen on it."""
        said = verdict(self.drifts, self.window)
        proven = self.seen and all(cell(self, name) == Verdict.PARITY.value for name in self.declared)
        return Verdict.UNKNOWN if said is Verdict.PARITY and not proven else said


def load(
    reports: Path, names: Iterable[str], run: str, place: Callable[[Path, str], Path], depth: str = ""
) -> list[Host]:
    """Read what this run observed of each of the hosts that were meant.

    A file that is missing, unreadable or of another run gives a host of which nothing is known.

    :param run: the id of this run
    :param place: (folder of reports, host) to the observation's file
    :param depth: how deep the report says that was looked; "" for whatever depth there is
    """
    hosts = []
    for name in names:
        try:
            path = place(reports, name)
            if path.stat().st_size > LIMIT:
                raise ValueError("the observation is too large")
            entry = json.loads(path.read_text(encoding="utf-8"))
            if not run or entry["run"] != run or entry["host"] != name:
                raise ValueError("there is only the observation of another run")
            for looked in (entry["depth"], _dict(entry.get("observation")).get("depth") or depth):
                if depth and looked != depth:
                    raise ValueError(f"it was looked at to the depth {plain(str(looked), 20)}, and not {depth}")
            hosts.append(_host(entry))
        except FileNotFoundError:
            hosts.append(_unseen(name, "it was not observed in this run, whose output says why"))
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError
        ) as error:  # fmt: skip
            hosts.append(_unseen(name, f"it was not observed in this run: {error}"))
    return hosts


def _unseen(name: str, why: str) -> Host:
    return Host(name, drifts=[Drift(Kind.NOT_OBSERVED, "host", plain(why), severity=UNKNOWN)])


def _dict(value: Any) -> dict[str, Any]:
    """A mapping of a host's observation, {} where the host gave something else."""
    return value if isinstance(value, dict) else {}


def _host(entry: Mapping[str, Any]) -> Host:
    declared, observation = entry["declared"], entry.get("observation")
    seen = _dict(observation)
    machine = _dict(seen.get("host"))
    window = entry.get("maintenance")
    host = Host(
        name=str(entry["host"]),
        tier=plain(str(entry.get("tier") or declared.get("tier") or "")),
        platform=plain(str(declared.get("platform") or machine.get("platform") or "")),
        root=str(declared.get("root") or ""),
        machine=plain(str(seen.get("machine") or "")),
        at=str(entry["at"]),
        window=Maintenance(window["reason"], window["until"]) if window else None,
        drifts=[Drift.from_json(item) for item in entry["drift"]],
        declared={str(name): dict(env) for name, env in declared["envs"].items()},
        seen=bool(seen.get("host")),
    )
    envs = _dict(seen.get("envs"))
    for name in host.declared:
        env = _dict(envs.get(name))
        host.envs[name] = {key: plain(str(env[key])) for key in ("digest", "content") if env.get(key)}
    host.facts = _facts(machine, seen)
    return host


def _facts(machine: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    gpu, disk, clean = _dict(machine.get("gpu")), _dict(seen.get("disk")), _dict(seen.get("clean"))
    facts: dict[str, Any] = {
        key: plain(str(machine[key])) for key in ("os", "kernel", "glibc", "archspec") if machine.get(key)
    }
    facts.update({key: plain(str(gpu[key])) for key in ("driver", "cuda") if gpu.get(key)})
    if isinstance(gpu.get("models"), list):
        counts = Counter(plain(str(model), 60) for model in gpu["models"])
        facts["gpu"] = some([f"{count} x {model}" if count > 1 else model for model, count in counts.items()], 8)
    if gpu.get("simulated"):
        facts["simulated"] = True
    for key, source in (("free", disk.get("free")), ("bytes", disk.get("bytes")), ("seconds", seen.get("seconds"))):
        if _number(source):
            facts[key] = source
    last = _dict(clean.get("last")).get("at")
    if _number(last):
        facts["last_clean"] = int(last)
    return facts


def _number(value: Any) -> TypeGuard[float]:
    """Whether a host gave a number that can be one of bytes or seconds: no NaN, nothing beyond all sizes."""
    return isinstance(value, (int, float)) and 0 <= value < 1e18


# --- across hosts -----------------------------------------------------------------------------------------------------


def cross(hosts: Sequence[Host]) -> None:
    """Blame hosts whose contents are not those of the others with the same digest, platform and root, and hosts that
    are one machine: a copied address in the inventory would otherwise prove what was never looked at.

    An archive that was altered before it was installed passes every check on its own host; only a comparison of hosts
    sees it. Where no side is larger, all are blamed: nobody can say which is right.
    """
    machines: dict[str, list[Host]] = defaultdict(list)
    for host in hosts:
        machines[host.machine].append(host)
    for machine, members in machines.items():
        for host in members if machine and len(members) > 1 else ():
            names = some([member.name for member in members if member is not host])
            line = f"it answered from the machine and the folder that {names} answered from"
            host.drifts.append(Drift(Kind.SAME_MACHINE, "host", line, severity=UNKNOWN))
    groups: dict[tuple[str, str, str, str], list[Host]] = defaultdict(list)
    for host in hosts:
        for name, env in host.envs.items():
            if env.get("digest") and env.get("content"):
                groups[(name, env["digest"], host.platform, host.root)].append(host)
    for (name, digest, _unused, _unused), members in groups.items():
        counts = Counter(host.envs[name]["content"] for host in members).most_common()
        if len(counts) < 2:
            continue
        clear = counts[0][1] > counts[1][1]
        for host in members:
            content = host.envs[name]["content"]
            if clear and content == counts[0][0]:
                continue
            others = f"{counts[0][1]} other hosts hold" if clear else "other hosts, as many, hold"
            other = counts[0][0] if content != counts[0][0] else counts[1][0]
            line = f"its contents are {content[:12]}, and {others} {other[:12]} under the same digest {digest[:12]}"
            host.drifts.append(Drift(Kind.CONTENT, name, line, other, content))


Locks = Mapping[tuple[str, str], Mapping[str, Any]]
"""(tier, environment) to platform to declared.Locked."""


def differences(tiers: Sequence[str], locks: Locks) -> list[dict[str, Any]]:
    """In what the locks of each tier differ from those of the tier before it: declared, so no drift."""
    found = []
    for former, latter in itertools.pairwise(tiers):
        for name in sorted({env for tier, env in locks if tier in (former, latter)}):
            one, two = locks.get((former, name)), locks.get((latter, name))
            if one is None or two is None:
                continue
            for platform in sorted(one.keys() & two.keys()):
                if one[platform].digest != two[platform].digest:
                    changes = package_changes(one[platform].packages, two[platform].packages)
                    found.append({"env": name, "platform": platform, "from": former, "to": latter, "changes": changes})
    return found


# --- the report's data ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What this audit was: its id and time (UTC, ISO), depth, tiers in order, hosts of the fleet by tier, locks, and
    which of those a tier was rolled back to.
    """

    run: str
    at: str
    depth: str
    tiers: Sequence[str]
    fleet: Mapping[str, str]
    locks: Locks = field(default_factory=dict)
    rollbacks: Sequence[Mapping[str, Any]] = ()


def build(hosts: Sequence[Host], run: Run) -> dict[str, Any]:
    """Put a report together (report.json, schema 1; documented in docs/reference/report.md).

    :param hosts: every host that was meant, after `cross`
    """
    audited = {host.name for host in hosts}
    order = {tier: index for index, tier in enumerate(run.tiers)}
    ordered = sorted(hosts, key=lambda host: (order.get(host.tier, len(order)), host.tier, host.name))
    counts = Counter(host.verdict for host in hosts)
    envs = sorted({name for host in hosts for name in host.declared})
    limited = bool(set(run.fleet) - audited)
    platforms = {host.platform for host in hosts if host.platform}
    held = counts[Verdict.PARITY] > 0 and not counts[Verdict.DRIFT] and not counts[Verdict.UNKNOWN]
    return {
        "schema": SCHEMA,
        "run": run.run,
        "at": run.at,
        "depth": run.depth,
        "hosts": {"audited": len(hosts), "total": max(len(run.fleet), len(hosts)), "limited": limited},
        "counts": {said.value: counts[said] for said in Verdict},
        "proven": held,
        "envs": envs,
        "tiers": _tiers(ordered, run, audited),
        "differences": [
            item for item in differences(run.tiers, run.locks) if not platforms or item["platform"] in platforms
        ],
        "rollbacks": [dict(item) for item in run.rollbacks],
        "simulated": sorted(host.name for host in hosts if host.facts.get("simulated")),
        "results": [_result(host, run.depth) for host in ordered],
    }


def _tiers(hosts: Sequence[Host], run: Run, audited: set[str]) -> list[dict[str, Any]]:
    names = dict.fromkeys([*run.tiers, *(host.tier for host in hosts), *run.fleet.values()])
    found = []
    for tier in names:
        mine = [host for host in hosts if host.tier == tier]
        away = sum(1 for name, where in run.fleet.items() if where == tier and name not in audited)
        if not mine and not away:
            continue
        counts = Counter(host.verdict for host in mine)
        known = {host.platform for host in hosts if host.platform}
        only = known.pop() if len(known) == 1 else ""  # a host that did not answer has the one that all others have
        envs: dict[str, dict[str, Any]] = {}
        for host in mine:
            for name, env in host.declared.items():
                place = envs.setdefault(name, {}).setdefault(
                    host.platform or only,
                    {"declared": env.get("digest", ""), "hosts": 0, "parity": 0, "drift": 0, "digests": {}},
                )
                place["declared"] = place["declared"] or env.get("digest", "")
                place["hosts"] += 1
                digest = host.envs.get(name, {}).get("digest", "")
                if digest:
                    place["digests"][digest] = place["digests"].get(digest, 0) + 1
                place["parity"] += cell(host, name) == Verdict.PARITY.value
                place["drift"] += cell(host, name) == Verdict.DRIFT.value
        found.append(
            {
                "tier": tier,
                "hosts": len(mine) + away,
                "audited": len(mine),
                "counts": {said.value: counts[said] for said in Verdict},
                "proven": not away and bool(mine) and counts[Verdict.PARITY] == len(mine),
                "platforms": sorted({platform for env in envs.values() for platform in env}),
                "envs": envs,
            }
        )
    return found


def cell(host: Host, env: str) -> str:
    """What is said of one environment on one host; "" where it is not declared there."""
    if env not in host.declared:
        return ""
    if not host.seen:
        return Verdict.UNKNOWN.value
    severities = {drift.severity for drift in host.drifts if drift.subject == env}
    if DRIFT in severities:
        return Verdict.DRIFT.value
    digest = host.envs.get(env, {}).get("digest")
    if UNKNOWN in severities or not digest or digest != host.declared[env].get("digest"):
        return Verdict.UNKNOWN.value
    return Verdict.PARITY.value


def _result(host: Host, depth: str) -> dict[str, Any]:
    envs = {}
    for name, env in host.declared.items():
        envs[name] = {"verdict": cell(host, name), "declared": env.get("digest", ""), **host.envs.get(name, {})}
    rest = {drift.severity for drift in host.drifts if drift.subject not in host.declared}
    around = Verdict.DRIFT if DRIFT in rest else Verdict.UNKNOWN if UNKNOWN in rest or not host.seen else Verdict.PARITY
    real = [drift for drift in host.drifts if drift.severity != NOTE]
    return {
        "host": host.name,
        "tier": host.tier,
        "platform": host.platform,
        "at": host.at,
        "verdict": host.verdict.value,
        "maintenance": {"reason": host.window.reason, "until": str(host.window.until)} if host.window else None,
        "envs": envs,
        "around": around.value,
        "drift": [drift.to_json() for drift in real],
        "notes": [drift.to_json() for drift in host.drifts if drift.severity == NOTE],
        "repair": repair(host.name, real, depth),
        "facts": host.facts,
    }


def repair(host: str, drifts: Sequence[Drift], depth: str = "stats") -> list[str]:
    """How to repair a host: one command for all that site.yml repairs, a sentence for each other kind.

    :param depth: how deep was looked; site.yml has to look as deep, or it finds nothing to repair
    """
    lines = []
    if roles := {drift.role for drift in drifts} - {""}:
        deep = " -e conda_envs_verify=hashes" if depth == "hashes" and "conda_envs" in roles else ""
        lines.append(f"ansible-playbook site.yml --limit {shlex.quote(host)}{deep}")
    lines += dict.fromkeys(ABOUT[drift.kind].remedy for drift in drifts if not drift.role)
    return lines


# --- what people read -------------------------------------------------------------------------------------------------


def headline(report: Mapping[str, Any]) -> str:
    """The claim in one sentence: what was proven, of how many hosts, or what was not."""
    counts, hosts = report["counts"], report["hosts"]
    said = [f"{counts[key]} {word}" for key, word in (
        ("drift", "drifted"), ("unknown", "unknown"), ("maintenance", "in maintenance")) if counts[key]]  # fmt: skip
    part = (
        f" (limited: {hosts['total'] - hosts['audited']} of {hosts['total']} hosts were not looked at)"
        if hosts["limited"]
        else ""
    )
    if report["proven"]:
        rest = f"; {counts['maintenance']} in maintenance, not counted" if counts["maintenance"] else ""
        return f"Parity proven on {counts['parity']} of {hosts['audited']} hosts{rest}{part}"
    if not hosts["audited"]:
        return "Nothing proven: no host was audited"
    return f"Parity not proven: of {hosts['audited']} hosts {', '.join(said)}, {counts['parity']} in parity{part}"


def failure(report: Mapping[str, Any], shown: int = 5) -> str:
    """Why an audit fails: the hosts and the first difference of each."""
    bad = [result for result in report["results"] if result["verdict"] in (Verdict.DRIFT.value, Verdict.UNKNOWN.value)]
    lines = [headline(report) + "."]
    for result in bad[:shown]:
        first = [f"{item['subject']}: {item['detail']}" for item in result["drift"][:1]] or ["nothing is known of it"]
        more = f" (and {len(result['drift']) - 1} more)" if len(result["drift"]) > 1 else ""
        lines.append(f"{result['host']}: {plain(first[0], 120)}{more}")
    if len(bad) > shown:
        lines.append(f"and {len(bad) - shown} more hosts")
    return "\n".join(lines)


def terminal(report: Mapping[str, Any], rows: int = 60, lines: int = 40) -> str:
    """The table for a terminal: each environment's digest on each host, then what differs.

    Where there are more hosts than `rows`, those that are not in parity come first and the rest is counted.
    """
    envs = report["envs"]
    head = ["host", "tier", "verdict", *envs, "base, host"]
    results = report["results"]
    bad = [result for result in results if result["verdict"] != Verdict.PARITY.value]
    shown = results if len(results) <= rows else bad[:rows]
    table = [head]
    for result in shown:
        verdict_ = result["verdict"]
        row = [result["host"] + (" (simulated GPU)" if result["facts"].get("simulated") else ""), result["tier"] or "-",
               verdict_ if verdict_ == Verdict.PARITY.value else verdict_.upper()]  # fmt: skip
        for name in envs:
            env = result["envs"].get(name)
            mark = {Verdict.DRIFT.value: "!", Verdict.UNKNOWN.value: "?"}.get(env["verdict"], "") if env else "-"
            row.append(f"{env.get('digest', '')[:12] if env else ''} {mark}".strip())
        row.append({Verdict.PARITY.value: "ok", Verdict.DRIFT.value: "!"}.get(result["around"], "?"))
        table.append(row)
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    out = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    out.insert(1, "  ".join("-" * width for width in widths))
    if len(shown) < len(results):
        out.append(f"... and {len(results) - len(shown)} more hosts, see the report")
    left = lines
    for result in bad:
        if left <= 0:
            out.append("... and more, see the report")
            break
        window = result["maintenance"]
        why = f", in maintenance until {window['until']}: {window['reason']}" if window else ""
        out += ["", f"{result['host']}{why}"]
        take = result["drift"][: min(6, left)]
        out += [f"  {item['subject']}: {item['detail']}" for item in take]
        if len(result["drift"]) > len(take):
            out.append(f"  ... and {len(result['drift']) - len(take)} more")
        left -= len(take) + 1
    for item in report["differences"]:
        out.append("")
        changes = ", ".join(item["changes"][:4]) or "variables or pip"
        more = f" and {len(item['changes']) - 4} more" if len(item["changes"]) > 4 else ""
        out.append(
            f"declared: {item['env']} ({item['platform']}) in {item['to']} is not {item['from']}'s: {changes}{more}"
        )
    for item in report["rollbacks"]:
        out += ["", rolled_back(item)]
    out += ["", headline(report)]
    return "\n".join(out)


def rolled_back(item: Mapping[str, Any]) -> str:
    """A tier's lock that is older than the one it had: when, from what, and why."""
    new, old = (", ".join(dict.fromkeys(str(digest)[:12] for digest in item[key].values())) for key in ("to", "from"))
    why = f": {plain(item['reason'], 120)}" if item["reason"] else ""
    where = f"{item['env']} in {item['tier']}"
    return plain(f"rolled back: {where}, {item['at'][:10]}, to {new} from {old or 'nothing'}{why}")


def hue(digest: str) -> int:
    """A colour for a digest, in degrees: equal digests look equal."""
    return int(digest[:4] or "0", 16) * 360 // 65536 if all(c in "0123456789abcdef" for c in digest[:4]) else 0


def size(value: Any) -> str:
    """Bytes for people."""
    return (
        f"{value / 1e12:.1f} TB"
        if value >= 1e12
        else f"{value / 1e9:.0f} GB"
        if value >= 1e10
        else f"{value / 1e9:.1f} GB"
    )


def render_html(report: Mapping[str, Any]) -> str:
    """The report as one self-contained page: no address is loaded, all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(hue=hue, size=size, rolled_back=rolled_back)
    about = {kind.value: about for kind, about in ABOUT.items()}
    template = environment.get_template(TEMPLATE.name)
    return template.render(report=report, headline=headline(report), about=about)
