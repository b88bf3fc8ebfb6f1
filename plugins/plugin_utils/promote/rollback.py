"""Declare a tier's previous lock again: from what was kept beside it, else from what the hosts wrote down."""

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
from ..conda import channels as chan
from ..conda import lock_diff, lockfile
from ..conda.locked_package import merge_depends
from ..conda.lockfile import Lock, LockError, Package
from ..lock_store import provenance, transaction
from .promotion import HostOf, replace, sound

MOST = 64 << 20  # bytes of a plan, unpacked


class RollbackError(ValueError):
    """It cannot be rolled back; the text says why, and what can be done."""


@dataclass(frozen=True)
class Settings:
    """What is to be rolled back.

    :param to: the first digits (8 or more) of the digests to go back to; empty: what the tier held before
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
class Looked:
    """What is declared now, and where the lock to go back to is.

    `source` is "declared" (it is declared already: only hosts may lag), "kept" (beside the lock) or "hosts" (only
    their records can tell).
    """

    source: str
    hosts: list[str]
    current: bytes | None
    digests: dict[str, str]
    target: bytes | None = None
    why: str = ""
    warnings: list[str] = field(default_factory=list)


def look(settings: Settings) -> Looked:
    """Say where the lock to go back to is; changes nothing.

    :raises RollbackError: where tier or environment are none
    :raises handover.HandoverError: where a killed run left what nobody can complete
    :raises OSError: where a file cannot be read
    """
    if settings.tier not in settings.tiers:
        raise RollbackError(f"{settings.tier or 'nothing'} is no tier: name one of {', '.join(settings.tiers)} "
                            "(-e tier=...)")  # fmt: skip
    if not plans.NAME.match(settings.env):
        raise RollbackError("name one environment to roll back (-e env=train)")
    if not all(len(item) >= 8 and set(item) <= set("0123456789abcdef") for item in settings.to):
        raise RollbackError("-e to= takes the first 8 or more digits of a digest, as audits and generations show them")
    hosts = sorted(
        name for name, host in settings.hosts.items() if host.tier == settings.tier and settings.env in host.envs
    )
    journal = transaction.pending(settings.locks_dir)
    current = provenance.read(settings.locks_dir, provenance.lock_path(settings.tier, settings.env))
    lock = sound(current)
    found = Looked("hosts", hosts, current, provenance.digests(lock, settings.env) if lock else {})
    if journal:
        found.warnings.append(f"a run that was killed is completed first: {transaction.say(journal['about'])}")
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
        found.why = "the lock that is kept as the previous one is the current one"
    elif not settings.to and settings.tier == settings.tiers[0] and _made_anew(settings, current):
        found.why = "the lock was made anew since the one that is kept was left"
    else:
        try:
            previous = Lock.loads(kept.decode(), "the previous lock", settings.channels)
            digests = provenance.digests(previous, settings.env)
            if settings.to and not _named(digests, settings.to):
                found.why = "the previous lock that is kept is another one"
            else:
                found.source, found.target = "kept", kept
        except (LockError, UnicodeDecodeError) as error:
            found.why = f"the previous lock that is kept is not acceptable ({str(error).splitlines()[0][:200]})"
    if found.source == "hosts" and not hosts:
        raise RollbackError(f"{found.why}, and no host of {settings.tier} is declared to hold {settings.env}: there is "
                            "nothing to learn it from; restore the lock from version control")  # fmt: skip
    return found


def _same(about: Mapping[str, Any], settings: Settings) -> bool:
    return (
        about.get("what") == "rollback" and about.get("tier") == settings.tier and about.get("envs") == [settings.env]
    )


def _made_anew(settings: Settings, current: bytes | None) -> bool:
    """Whether `playbooks/lock.yml`, which keeps nothing beside the lock, made what is declared after the last rollback:
    then the lock that is kept is one that was left before, and not what this one took the place of.
    """
    return (
        provenance.loads(provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env)), current)
        is None
    )


def _named(digests: Mapping[str, str], wanted: Sequence[str]) -> bool:
    return all(any(digest.startswith(item) for digest in digests.values()) for item in wanted)


# --- from the hosts' own records --------------------------------------------------------------------------------------


def rebuild(settings: Settings, looked: Looked, records: Mapping[str, Any]) -> tuple[bytes, list[str]]:
    """Make the lock again from the plans that hosts kept of the generation that was live before.

    :param records: what module `env_info` gave, by host; nothing in it is trusted
    :returns: the lock's bytes, and what the records could not tell
    :raises RollbackError: where they tell nothing, contradict each other, or what they tell is not acceptable
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    kept: dict[tuple[str, str], Mapping[str, Any]] = {}
    lacking: dict[str, list[str]] = defaultdict(list)
    silent = []
    for host in looked.hosts:
        record = records.get(host)
        if not isinstance(record, Mapping) or not isinstance(record.get("platform"), str):
            silent.append(host)
            continue
        platform = record["platform"]
        plan = _unpacked(record.get("plan"))
        if plan is None or plans.check(plan) or plan["platform"] != platform or plan["name"] != settings.env:
            lacking[platform].append(host)
            continue
        found[platform][plan["digest"]].append(host)
        kept[platform, plan["digest"]] = plan
    if not found:
        raise RollbackError(_nothing(looked, silent))
    if missing := sorted(set(lacking) - set(found)):
        raise RollbackError(
            f"no {', '.join(missing)} host of {settings.tier} has a record of another {settings.env} "
            f"({', '.join(sorted(lacking[missing[0]])[:3])}): a lock without that platform would leave them without "
            "one; restore the lock from version control"
        )
    for platform, options in found.items():
        if len(options) > 1:
            listed = "; ".join(f"{d[:12]} on {len(h)} ({h[0]})" for d, h in sorted(options.items()))
            raise RollbackError(
                f"hosts of {settings.tier} held different {settings.env} before ({platform}: {listed}); say which one "
                f"is meant: -e to={sorted(options)[0][:12]}"
            )
    chosen = {platform: kept[platform, next(iter(options))] for platform, options in found.items()}
    lock, lost = _lock(settings, sound(looked.current), chosen)
    try:
        text = lock.dumps()
        again = Lock.loads(text, "the lock made from the hosts' records", settings.channels)
        for platform, made in chosen.items():
            if lockfile.plan(again, settings.env, platform, channels=settings.channels)["digest"] != made["digest"]:
                raise LockError(f"for {platform} its digest is not that of the record")
    except LockError as error:
        lines = "; ".join(str(error).splitlines()[:3])[:400]
        raise RollbackError(
            f"the hosts' records of {settings.env} give no acceptable lock ({lines}); restore it from version control"
        ) from None
    if any(plan["smoke"] for plan in chosen.values()):
        lost.append("the smoke test that its builds ran is not taken from hosts, since every host would run it: this "
                    "lock has none")  # fmt: skip
    if silent:
        lost.append(f"{len(silent)} hosts did not answer ({', '.join(silent[:3])}): nothing is known of their records")
    return text.encode(), lost


def _nothing(looked: Looked, silent: Sequence[str]) -> str:
    answered = len(looked.hosts) - len(silent)
    about = f"{len(silent)} of {len(looked.hosts)} hosts did not answer" if silent else f"{answered} hosts were asked"
    return (
        f"there is nothing to go back to: {looked.why}, and no host has a record of another generation ({about}); "
        "restore the lock from version control and run site.yml"
    )


def _unpacked(value: Any) -> dict[str, Any] | None:
    """The plan that a host sent (base64 of zlib of JSON), None where it is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(value, validate=True), MOST)
        found = json.loads(data)
    except (ValueError, zlib.error, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _lock(settings: Settings, current: Lock | None, chosen: Mapping[str, Mapping[str, Any]]) -> tuple[Lock, list[str]]:
    alias = settings.channel_alias.rstrip("/")
    packages: list[Package] = []
    sizes: dict[str, int] = {}
    variables: list[Mapping[str, str]] = []
    channels: dict[str, None] = {}
    for platform, plan in sorted(chosen.items()):
        channels[_published(plan["channel"] + "/", alias).rstrip("/")] = None
        for item in plan["packages"]:
            url = _published(item["url"], alias)
            channels[url.rsplit("/", 2)[0]] = None
            depends = merge_depends(item["depends"])
            packages.append(Package("conda", item["name"], platform, item["version"], item["build"], url, item["md5"],
                                    item["sha256"], depends))  # fmt: skip
        packages += [
            Package("pip", w["name"], platform, w["version"], "", w["url"], "", w["sha256"]) for w in plan["pip"]
        ]
        sizes[platform] = plan["download_bytes"]
        variables.append(plan["variables"])
    if any(item != variables[0] for item in variables):
        raise RollbackError(f"the hosts' records of {settings.env} have different variables for different platforms")
    custom: dict[str, Any] = {"download_bytes": sizes} if any(sizes.values()) else {}
    lost = []
    if current and "system_requirements" in current.custom:
        custom["system_requirements"] = current.value("system_requirements")
        lost.append("the system requirements that it was solved for is not in the records: the current lock's is taken")
    if current and "exclude_newer" in current.custom:
        custom["exclude_newer"] = current.value("exclude_newer")
        lost.append(
            "the date that it was solved up to (exclude_newer) is not in the records: the current lock's is taken"
        )
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
    """The published address of what a site fetches from its mirror."""
    return chan.PUBLISHED_ALIAS + url[len(alias) :] if url.startswith(alias + "/") else url


# --- declaring --------------------------------------------------------------------------------------------------------


@dataclass
class Declared:
    """What is declared after this; `demoted` says whether that is the older lock."""

    data: bytes
    digests: dict[str, str]
    left: dict[str, str]
    changed: bool
    returns: bool = False
    difference: list[str] = field(default_factory=list)


def declare(
    settings: Settings, looked: Looked, target: bytes, rebuilt: bool, now: datetime.datetime, write: bool
) -> Declared:
    """Declare a lock for the tier; the one that it had becomes the previous one.

    :raises handover.HandoverError: where another run is at work, or files changed meanwhile
    :raises OSError: where a file cannot be written
    """
    lock = Lock.loads(target.decode(), "the lock", settings.channels)
    digests = provenance.digests(lock, settings.env)
    with transaction.alone(settings.locks_dir):
        if write:
            transaction.finish(settings.locks_dir)
        name = provenance.lock_path(settings.tier, settings.env)
        current = provenance.read(settings.locks_dir, name)
        if looked.source == "declared":
            target = current or target
            digests = provenance.digests(sound(target) or lock, settings.env)
            return Declared(target, digests, dict(looked.digests), False)
        if current != looked.current:
            raise transaction.HandoverError(f"{settings.locks_dir / name} was changed while this ran; try again")
        known = provenance.loads(
            provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env)), current
        )
        before = provenance.loads(
            provenance.read(settings.locks_dir, provenance.path(settings.tier, settings.env, True)), target
        )
        back = known.get("rollback") if known and provenance.demoted(known) else None
        returns = bool(back and back["left"].get("sha256") == provenance.sha256(target))
        about = {
            "at": now.isoformat(timespec="seconds"),
            "reason": settings.reason,
            "left": {"sha256": provenance.sha256(current) if current else "", "digests": looked.digests},
            "returns": returns,
            "rebuilt": rebuilt,
        }
        made = provenance.rollback(settings.env, settings.tier, target, digests, before, about)
        changes = replace(settings.locks_dir, settings.tier, settings.env, target, made)
        if write:
            note = {"what": "rollback", "tier": settings.tier, "envs": [settings.env]}
            transaction.apply(settings.locks_dir, changes, note)
    difference = lock_diff.diff(sound(current), lock) or ["the same packages, written otherwise"]
    return Declared(target, digests, looked.digests, True, returns, difference)
