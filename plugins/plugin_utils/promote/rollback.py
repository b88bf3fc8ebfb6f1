"""Roll back: declare a tier's previous lock again, from the copy beside it, else from the hosts' records."""

from __future__ import annotations

import base64
import datetime
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...module_utils.host import install_plan as plans
from ...module_utils.host.install_plan import InstallPlan
from ..conda import channels as chan
from ..conda import lock_diff, lockfile
from ..conda.locked_package import merge_depends
from ..conda.lockfile import Lock, LockError, Package
from ..core.digest import sha256
from ..core.errors import ControllerError
from ..lock_store import provenance, transaction
from .promotion import HostOf, load_lock, replace

MOST = 64 << 20  # bytes of a plan, unpacked
_RESTORE = "restore the lock from version control"


class RollbackError(ControllerError):
    """A rollback that is refused."""


@dataclass(frozen=True)
class Settings:
    """What to roll back.

    :param to: the first digits (8 or more) of the digests to go back to; empty: those that the tier held before
    """

    locks_dir: Path
    tiers: tuple[str, ...]
    tier: str
    env: str
    hosts: Mapping[str, HostOf]
    channels: tuple[str, ...] | None = None
    channel_alias: str = chan.PUBLISHED_ALIAS
    reason: str = ""
    to: tuple[str, ...] = ()


@dataclass
class Inspection:
    """The current lock, and the source of the lock to go back to.

    `source` is "declared" (the tier declares it already; only hosts may differ), "kept" (beside the lock) or "hosts"
    (their records); `why` is the reason where that is not "kept".
    """

    source: str
    hosts: list[str]
    current: bytes | None
    digests: dict[str, str]
    target: bytes | None = None
    why: str = ""
    warnings: list[str] = field(default_factory=list)


def inspect(settings: Settings) -> Inspection:
    """Find the lock to go back to; changes nothing.

    :raises RollbackError: if the tier, the environment or the digests are not valid, or there is no source
    :raises transaction.TransactionError: if the transaction of a killed run cannot be completed
    :raises OSError: if a file cannot be read
    """
    if settings.tier not in settings.tiers:
        what = f"{settings.tier} is not a tier" if settings.tier else "no tier is named"
        raise RollbackError(what, "", f"name one of {', '.join(settings.tiers)} (-e tier=...)")
    if not plans.NAME.match(settings.env):
        what = f"{settings.env[:80]!r} is not a valid environment name" if settings.env else "no environment is named"
        raise RollbackError(what, "", "name one environment (-e env=train)")
    if not all(len(item) >= 8 and set(item) <= set("0123456789abcdef") for item in settings.to):
        remedy = "give the first 8 or more digits, as audits and generations show them"
        raise RollbackError("-e to= is not a digest", "", remedy)
    hosts = sorted(
        name for name, host in settings.hosts.items() if host.tier == settings.tier and settings.env in host.envs
    )
    journal = transaction.pending(settings.locks_dir)
    current = provenance.read(settings.locks_dir, provenance.lock_path(settings.tier, settings.env))
    lock = load_lock(current)
    found = Inspection("hosts", hosts, current, provenance.digests(lock, settings.env) if lock else {})
    if journal:
        found.warnings.append(f"a run that was killed is completed first: {transaction.describe(journal['about'])}")
        if _same(journal["about"], settings):
            found.source, found.target, found.why = "declared", current, "the killed run declared it"
            return found
    if settings.to and _named(found.digests, settings.to):
        found.source, found.target, found.why = "declared", current, "it is declared already"
        return found
    kept = provenance.read(settings.locks_dir, provenance.lock_path(settings.tier, settings.env, True))
    if kept is None:
        found.why = "no previous lock is kept beside the tier's"
    elif kept == current:
        found.why = "the previous lock that is kept is the current one"
    elif not settings.to and settings.tier == settings.tiers[0] and _is_locked_again(settings, current):
        found.why = "the environment was locked again since the previous lock was kept"
    else:
        try:
            previous = Lock.loads(kept.decode(), "the previous lock", settings.channels)
            digests = provenance.digests(previous, settings.env)
            if settings.to and not _named(digests, settings.to):
                found.why = "the previous lock that is kept has other digests"
            else:
                found.source, found.target = "kept", kept
        except (LockError, UnicodeDecodeError) as error:
            found.why = f"the previous lock that is kept is not valid ({str(error).splitlines()[0][:200]})"
    if found.source == "hosts" and not hosts:
        cause = f"{found.why}, and no host of {settings.tier} is declared to hold {settings.env}"
        raise RollbackError("there is no source for the previous lock", cause, _RESTORE)
    return found


def _same(about: Mapping[str, Any], settings: Settings) -> bool:
    return (
        about.get("what") == "rollback" and about.get("tier") == settings.tier and about.get("envs") == [settings.env]
    )


def _is_locked_again(settings: Settings, current: bytes | None) -> bool:
    """Return whether `playbooks/lock.yml` made the current lock after the last rollback.

    That playbook keeps no previous lock, so the kept one is not the predecessor of the current lock.
    """
    return (
        provenance.loads(provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env)), current)
        is None
    )


def _named(digests: Mapping[str, str], wanted: Sequence[str]) -> bool:
    return all(any(digest.startswith(item) for digest in digests.values()) for item in wanted)


# --- from the hosts' own records --------------------------------------------------------------------------------------


def rebuild(settings: Settings, inspected: Inspection, records: Mapping[str, Any]) -> tuple[bytes, list[str]]:
    """Make the lock again from the install plans that hosts keep of the generation that was live before.

    :param records: results of module `env_info` by host; untrusted
    :return: the lock's bytes, and warnings on what the records do not hold
    :raises RollbackError: if there are no records, they contradict each other, or give no valid lock
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    kept: dict[tuple[str, str], InstallPlan] = {}
    lacking: dict[str, list[str]] = defaultdict(list)
    silent = []
    for host in inspected.hosts:
        record = records.get(host)
        if not isinstance(record, Mapping) or not isinstance(record.get("platform"), str):
            silent.append(host)
            continue
        platform = record["platform"]
        plan = _unpack(record.get("plan"))
        if plan is None or plan.platform != platform or plan.name != settings.env:
            lacking[platform].append(host)
            continue
        found[platform][plan.digest].append(host)
        kept[platform, plan.digest] = plan
    if not found:
        raise _no_records(inspected, silent)
    if missing := sorted(set(lacking) - set(found)):
        raise RollbackError(
            f"no {', '.join(missing)} host of {settings.tier} has a record of another {settings.env} "
            f"({', '.join(sorted(lacking[missing[0]])[:3])})",
            "a lock without that platform would remove the environment from them",
            _RESTORE,
        )
    for platform, options in found.items():
        if len(options) > 1:
            listed = "; ".join(f"{d[:12]} on {len(h)} ({h[0]})" for d, h in sorted(options.items()))
            raise RollbackError(
                f"hosts of {settings.tier} held different {settings.env} before",
                f"{platform}: {listed}",
                f"choose one: -e to={sorted(options)[0][:12]}",
            )
    chosen = {platform: kept[platform, next(iter(options))] for platform, options in found.items()}
    lock, lost = _lock(settings, load_lock(inspected.current), chosen)
    try:
        text = lock.dumps()
        again = Lock.loads(text, "the lock made from the hosts' records", settings.channels)
        for platform, made in chosen.items():
            if lockfile.plan(again, settings.env, platform, channels=settings.channels).digest != made.digest:
                raise LockError(f"for {platform} its digest differs from that of the record")
    except LockError as error:
        lines = "; ".join(str(error).splitlines()[:3])[:400]
        raise RollbackError(f"the hosts' records of {settings.env} give no valid lock", lines, _RESTORE) from None
    if any(plan.smoke for plan in chosen.values()):
        lost.append("the smoke test that its builds ran is not taken from hosts, since every host would run it: this "
                    "lock has none")  # fmt: skip
    if silent:
        lost.append(f"{len(silent)} hosts did not answer ({', '.join(silent[:3])}): their records are unknown")
    return text.encode(), lost


def _no_records(inspected: Inspection, silent: Sequence[str]) -> RollbackError:
    count = len(inspected.hosts)
    about = f"{len(silent)} of {count} hosts did not answer" if silent else f"{count} hosts answered"
    return RollbackError(
        "there is nothing to go back to",
        f"{inspected.why}, and no host has a record of another generation ({about})",
        f"{_RESTORE} and run site.yml",
    )


def _unpack(value: Any) -> InstallPlan | None:
    """Decode the install plan that a host sent (base64 of zlib of JSON); None if it cannot be decoded or is refused."""
    if not isinstance(value, str) or not value:
        return None
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(value, validate=True), MOST)
        return InstallPlan.from_json(json.loads(data))
    except (ValueError, zlib.error, RecursionError):
        return None


def _lock(settings: Settings, current: Lock | None, chosen: Mapping[str, InstallPlan]) -> tuple[Lock, list[str]]:
    alias = settings.channel_alias.rstrip("/")
    packages: list[Package] = []
    sizes: dict[str, int] = {}
    variables: list[Mapping[str, str]] = []
    channels: dict[str, None] = {}
    for platform, plan in sorted(chosen.items()):
        channels[_published(plan.channel + "/", alias).rstrip("/")] = None
        for item in plan.packages:
            url = _published(item.url, alias)
            channels[url.rsplit("/", 2)[0]] = None
            depends = merge_depends(item.depends)
            packages.append(Package("conda", item.name, platform, item.version, item.build, url, item.md5,
                                    item.sha256, depends))  # fmt: skip
        packages += [Package("pip", w.name, platform, w.version, "", w.url, "", w.sha256) for w in plan.pip]
        sizes[platform] = plan.download_bytes
        variables.append(plan.variables)
    if any(item != variables[0] for item in variables):
        what = f"the hosts' records of {settings.env} have different variables for different platforms"
        raise RollbackError(what, "", _RESTORE)
    custom: dict[str, Any] = {"download_bytes": sizes} if any(sizes.values()) else {}
    lost = []
    if current and "system_requirements" in current.custom:
        custom["system_requirements"] = current.value("system_requirements")
        lost.append("the records do not hold the system requirements: those of the current lock are used")
    if current and "exclude_newer" in current.custom:
        custom["exclude_newer"] = current.value("exclude_newer")
        lost.append("the records do not hold the cut-off date (exclude_newer): that of the current lock is used")
    if variables[0]:
        custom["variables"] = variables[0]
    names = list(dict.fromkeys(chan.short_name(base) for base in channels))
    if current and set(names) <= set(current.channels):
        names = list(current.channels)
    if current and (gone := sorted(set(current.platforms) - set(chosen))):
        lost.append(f"no longer locked for {', '.join(gone)}, which no host of {settings.tier} has")
    values = {key: json.dumps(value, sort_keys=True, separators=(",", ":")) for key, value in custom.items()}
    return Lock(tuple(packages), tuple(sorted(chosen)), tuple(names), current.sources if current else (), values), lost


def _published(url: str, alias: str) -> str:
    """Return the published url of a url at the site's mirror."""
    return chan.PUBLISHED_ALIAS + url[len(alias) :] if url.startswith(alias + "/") else url


# --- declaring --------------------------------------------------------------------------------------------------------


@dataclass
class Declared:
    """The declared lock, its digests and those of the replaced lock (`left`).

    `returns` is true if the tier returns to the lock that it was rolled back from.
    """

    data: bytes
    digests: dict[str, str]
    left: dict[str, str]
    changed: bool
    returns: bool = False
    difference: list[str] = field(default_factory=list)


def declare(
    settings: Settings, inspected: Inspection, target: bytes, rebuilt: bool, now: datetime.datetime, write: bool
) -> Declared:
    """Declare a lock for the tier; its current lock becomes the previous one.

    :param target: the lock's bytes
    :param rebuilt: whether the lock was made from hosts' records
    :param write: whether to write the files
    :raises transaction.TransactionError: if another run is active, or files changed meanwhile
    :raises OSError: if a file cannot be written
    """
    lock = Lock.loads(target.decode(), "the lock", settings.channels)
    digests = provenance.digests(lock, settings.env)
    with transaction.exclusive_lock(settings.locks_dir):
        if write:
            transaction.finish(settings.locks_dir)
        name = provenance.lock_path(settings.tier, settings.env)
        current = provenance.read(settings.locks_dir, name)
        if inspected.source == "declared":
            target = current or target
            digests = provenance.digests(load_lock(target) or lock, settings.env)
            return Declared(target, digests, dict(inspected.digests), False)
        if current != inspected.current:
            raise transaction.changed_meanwhile(settings.locks_dir / name)
        known = provenance.loads(
            provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env)), current
        )
        before = provenance.loads(
            provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env, True)), target
        )
        back = known.get("rollback") if known and provenance.demoted(known) else None
        returns = bool(back and back["left"].get("sha256") == sha256(target))
        about = {
            "at": now.isoformat(timespec="seconds"),
            "reason": settings.reason,
            "left": {"sha256": sha256(current) if current else "", "digests": inspected.digests},
            "returns": returns,
            "rebuilt": rebuilt,
        }
        made = provenance.rollback(settings.env, settings.tier, target, digests, before, about)
        changes = replace(settings.locks_dir, settings.tier, settings.env, target, made)
        if write:
            note = {"what": "rollback", "tier": settings.tier, "envs": [settings.env]}
            transaction.apply(settings.locks_dir, changes, note)
    difference = lock_diff.diff(load_lock(current), lock) or ["the same packages in another form"]
    return Declared(target, digests, inspected.digests, True, returns, difference)
