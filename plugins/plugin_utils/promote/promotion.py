"""Promote locks from one tier to the next, byte for byte, if the audit gate finds that the former tier holds them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...module_utils.host import install_plan as plans
from ..conda import lock_diff
from ..conda.lockfile import Lock, LockError
from ..core.digest import sha256
from ..core.text import plain
from ..lock_store import provenance, transaction
from . import audit_gate
from .audit_gate import Refusal


@dataclass(frozen=True)
class HostOf:
    """A host of the inventory: its tier, and the environments that it should hold."""

    tier: str
    envs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What to promote, and the limits of the audit gate."""

    locks_dir: Path
    tiers: tuple[str, ...]
    former: str
    latter: str
    report: Path
    hosts: Mapping[str, HostOf]
    envs: tuple[str, ...] | None = None  # None: all environments that hosts of the former tier should hold
    channels: tuple[str, ...] | None = None
    max_age: datetime.timedelta = datetime.timedelta(hours=24)
    depth: str = audit_gate.DEPTHS[0]


@dataclass
class Outcome:
    """One environment: its lock's bytes and digests in the former tier, and what changes in the latter tier.

    `held` is the number of hosts of the former tier that hold it, by platform.
    """

    env: str
    data: bytes = b""
    digests: dict[str, str] = field(default_factory=dict)
    old: bytes | None = None
    difference: list[str] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    changes: list[transaction.Change] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether the latter tier's lock or its provenance changes."""
        return bool(self.changes)


@dataclass
class Result:
    """The outcome of a promotion; with refusals nothing was written."""

    outcomes: list[Outcome] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_tiers(settings: Settings) -> list[Refusal]:
    """Return refusals unless the latter tier comes right after the former one."""
    tiers, former, latter = list(settings.tiers), settings.former, settings.latter
    way = " -> ".join(tiers)
    refusals = [
        Refusal(name or "a tier", "it is not a tier of this fleet" if name else "it is not named",
                f"name two of {way} (-e from=... -e to=...)")
        for name in (former, latter) if name not in tiers
    ]  # fmt: skip
    if not refusals and tiers.index(latter) != tiers.index(former) + 1:
        after = tiers[tiers.index(former) + 1 :]
        refusals.append(
            Refusal(f"{former} to {latter}", f"a lock goes from a tier to the next one: {way}",
                    f"promote to {after[0]} first" if after else f"{former} is the last tier")
        )  # fmt: skip
    return refusals


def promote(settings: Settings, now: datetime.datetime, write: bool) -> Result:
    """Check the locks and the audit report; promote all locks in one transaction unless there is a refusal.

    :param now: the time, with its zone
    :param write: whether to write the locks
    :raises transaction.TransactionError: if another run is active, or files changed meanwhile
    :raises OSError: if a file cannot be read or written
    """
    result = Result(refusals=check_tiers(settings))
    if result.refusals:
        return result
    with transaction.exclusive_lock(settings.locks_dir):
        left = transaction.finish(settings.locks_dir, write)
        if left:
            when = "was" if write else "will first be"
            result.warnings.append(f"a run that was killed {when} completed: {transaction.describe(left)}")
        names = _names(settings, result)
        for env in names:
            outcome = _outcome(settings, env, result)
            if outcome:
                result.outcomes.append(outcome)
        todo = [outcome for outcome in result.outcomes if not _is_promoted(settings, outcome)]
        if todo:
            _check_gate(settings, todo, now, result)
        if result.refusals:
            result.refusals = sorted(dict.fromkeys(result.refusals), key=lambda r: (r.subject != "the report", r))
            return result
        changes = [change for outcome in todo for change in outcome.changes]
        if write and changes:
            about = {"what": "promotion", "from": settings.former, "to": settings.latter,
                     "envs": [outcome.env for outcome in todo]}  # fmt: skip
            transaction.apply(settings.locks_dir, changes, about)
    return result


def _names(settings: Settings, result: Result) -> list[str]:
    """Return the names of the environments to promote; add refusals and warnings to `result`."""
    held = {env for host in settings.hosts.values() if host.tier == settings.former for env in host.envs}
    waiting = {env for host in settings.hosts.values() if host.tier == settings.latter for env in host.envs}
    if settings.envs is not None:
        names = list(dict.fromkeys(settings.envs))
    else:
        names = sorted(held)
        if not names:
            result.refusals.append(
                Refusal(settings.former, "no host of this tier is declared to hold an environment",
                        "set lockstep_tier and lockstep_envs in group_vars, or use another inventory (-i)")
            )  # fmt: skip
        for env in sorted(waiting - held):
            result.warnings.append(f"{env} is not promoted: it is declared for {settings.latter}, but for no host of "
                                   f"{settings.former}")  # fmt: skip
    for env in names:
        if not plans.NAME.match(env):
            result.refusals.append(
                Refusal(env[:80] or "-e env=", "not a valid environment name", "name those of envs/, with commas")
            )
    return [env for env in names if plans.NAME.match(env)]


def _outcome(settings: Settings, env: str, result: Result) -> Outcome | None:
    """Read the locks of both tiers; return None, with a refusal in `result`, if the former's cannot be promoted."""
    name = provenance.lock_path(settings.former, env)
    data = provenance.read(settings.locks_dir, name)
    if data is None:
        remedy = (
            "make it with playbooks/lock.yml"
            if settings.former == settings.tiers[0]
            else f"promote it to {settings.former} first"
        )
        result.refusals.append(Refusal(env, f"{settings.former} has no lock of it ({name})", remedy))
        return None
    try:
        lock = Lock.loads(data.decode(), str(settings.locks_dir / name), settings.channels)
        digests = provenance.digests(lock, env)
    except (LockError, UnicodeDecodeError) as error:
        lines = str(error).strip().splitlines()
        result.refusals.append(
            Refusal(env, f"the lock of {settings.former} is not acceptable: {'; '.join(lines[:3])[:400]}",
                    "lock again, or restore it from version control")
        )  # fmt: skip
        return None
    if settings.former != settings.tiers[0]:  # the first tier is locked again beside the provenance of a rollback
        beside = provenance.read(settings.locks_dir, provenance.path(settings.former, env))
        if beside is not None and provenance.loads(beside, data) is None:
            result.refusals.append(
                Refusal(env, f"the lock of {settings.former} is not the one that its provenance names: one of the two "
                        "files was altered", f"restore both from version control, or promote it to {settings.former} "
                        "again")
            )  # fmt: skip
    old = provenance.read(settings.locks_dir, provenance.lock_path(settings.latter, env))
    outcome = Outcome(env, data, digests, old)
    known = provenance.loads(provenance.read(settings.locks_dir, provenance.path(settings.latter, env)), old)
    back = known["rollback"] if known and provenance.demoted(known) else None
    same = back is not None and back["left"].get("sha256") == sha256(data)
    if back and (same or back["left"]["digests"] == digests):
        what = "was rolled back from this very lock" if same else "was rolled back from the packages of this lock"
        why = f": {plain(str(back['reason']), 120)}" if back.get("reason") else ""
        result.refusals.append(
            Refusal(env, f"{settings.latter} {what} on {plain(back['at'])[:10]}{why}",
                    "lock a better one; or return to it: playbooks/rollback.yml "
                    f"-e env={env} -e tier={settings.latter}")
        )  # fmt: skip
    if old != data:
        outcome.difference = lock_diff.diff(load_lock(old), lock) or ["the same packages in another form"]
    return outcome


def load_lock(data: bytes | None) -> Lock | None:
    """Return a lock for comparison; None if there is none or it is not valid."""
    try:
        return Lock.loads(data.decode(), "lock") if data is not None else None
    except (LockError, UnicodeDecodeError):
        return None


def _is_promoted(settings: Settings, outcome: Outcome) -> bool:
    """Return whether the latter tier has the lock and its provenance already."""
    if outcome.old != outcome.data:
        return False
    known = provenance.loads(
        provenance.read(settings.locks_dir, provenance.path(settings.latter, outcome.env)), outcome.data
    )
    return bool(known and known.get("promotion"))


def _check_gate(settings: Settings, todo: Sequence[Outcome], now: datetime.datetime, result: Result) -> None:
    """Check the audit report for all environments to promote; set the files that change, or add refusals."""
    try:
        report = audit_gate.read(settings.report)
    except audit_gate.ReportError as error:
        result.refusals.append(error.refusal)
        return
    hosts = {name: host.envs for name, host in settings.hosts.items() if host.tier == settings.former}
    locks = {outcome.env: outcome.digests for outcome in todo}
    criteria = audit_gate.Criteria(settings.former, hosts, locks, settings.max_age, settings.depth)
    gate = audit_gate.evaluate(report, criteria, now)
    result.refusals += gate.refusals
    if result.refusals:
        return
    about = {"sha256": report.sha256, "run": report.run, "at": report.at.isoformat(), "depth": report.depth}
    for outcome in todo:
        outcome.held = dict(sorted(gate.held[outcome.env].items()))
        _warn(settings, outcome, report, result)
        facts = {"from": settings.former, "report": about, "hosts": outcome.held,
                 "maintenance": gate.away.get(outcome.env, 0)}  # fmt: skip
        made = provenance.promotion(outcome.env, settings.latter, outcome.data, outcome.digests, facts)
        outcome.changes = replace(settings.locks_dir, settings.latter, outcome.env, outcome.data, made)


def replace(locks: Path, tier: str, env: str, data: bytes, made: bytes) -> list[transaction.Change]:
    """Return the files that change when a tier gets another lock; a lock with other digests is kept as the previous.

    A lock that differs only in its smoke test declares the same environment. It does not replace the previous lock, so
    that a rollback still leads to other packages.

    :param data: the lock's bytes
    :param made: the provenance's bytes
    """
    places = (provenance.lock_path, provenance.path)
    new = dict(zip((place(tier, env) for place in places), (data, made), strict=True))
    wanted: dict[str, bytes | None] = {}
    old = provenance.read(locks, provenance.lock_path(tier, env))
    if old is not None and _digests(old, env) != _digests(data, env):
        wanted = {place(tier, env, True): provenance.read(locks, place(tier, env)) for place in places}
    wanted |= new
    changes = [transaction.Change(name, provenance.read(locks, name), new) for name, new in wanted.items()]
    return [change for change in changes if change.old != change.new]


def _digests(data: bytes, env: str) -> dict[str, str]:
    """Return the digests that a lock declares; {} if it is not valid, or a host would refuse it."""
    lock = load_lock(data)
    try:
        return provenance.digests(lock, env) if lock else {}
    except LockError:
        return {}


def _warn(settings: Settings, outcome: Outcome, report: audit_gate.Report, result: Result) -> None:
    """Add warnings on platforms that hosts of the latter tier have, but no host of the former tier."""
    for name, host in sorted(settings.hosts.items()):
        if host.tier != settings.latter or outcome.env not in host.envs:
            continue
        platform = str(report.results[name]["platform"]) if name in report.results else ""
        if platform and platform not in outcome.held:
            line = (f"{outcome.env}: {name} is {platform}, but no host of {settings.former} is: no audit covers its "
                    "packages")  # fmt: skip
            if not any(f"{outcome.env}: " in known and f" is {platform}, " in known for known in result.warnings):
                result.warnings.append(line)


def lines(settings: Settings, outcome: Outcome) -> list[str]:
    """Return the lines to print for an outcome, one for each platform."""
    state = "changed" if outcome.changed else "unchanged"
    shown = []
    for platform, digest in outcome.digests.items():
        count = outcome.held.get(platform, 0)
        held = f"held by {count} host{'s' * (count != 1)} of {settings.former}" if outcome.changed else "there already"
        shown.append(f"{outcome.env:<12} {platform:<14} {digest[:12]}  {held}  ({state})")
    return shown


def refusal_message(refusals: Sequence[Refusal], what: str, shown: int = 20) -> str:
    """Return the message for refusals, at most `shown` of them; `what` names the promotion."""
    listed = [f"  {refusal}" for refusal in refusals[:shown]]
    more = [f"  and {len(refusals) - shown} more"] if len(refusals) > shown else []
    return "\n".join([f"{what} refused, nothing was changed:", *listed, *more])
