"""Compare the environments: links, generations, packages, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import some
from ...desired.model import WHEEL, DesiredState, LockedEnv
from .drift import NOTE, SHOWN, Drift, section, unknown
from .kinds import Kind
from .packages import package_changes, pip_lines, split_name

UNDECLARED = 50  # the observer names no more
WORDS = {
    Kind.FILE_MISSING: "is missing", Kind.FILE_ALTERED: "is altered", Kind.FILE_EXTRA: "does not belong",
    Kind.FILE_SPECIAL: "does not belong", Kind.FILE_MODE: "has a wrong mode", Kind.FILE_OWNER: "has another owner",
    Kind.FILE_UNREADABLE: "cannot be read", Kind.RECORD: "is not the one that was installed",
}  # fmt: skip
PLURAL = {
    Kind.FILE_MISSING: "are missing", Kind.FILE_ALTERED: "are altered", Kind.FILE_EXTRA: "do not belong",
    Kind.FILE_SPECIAL: "do not belong", Kind.FILE_MODE: "have a wrong mode", Kind.FILE_OWNER: "have another owner",
    Kind.FILE_UNREADABLE: "cannot be read", Kind.RECORD: "are not those that were installed",
}  # fmt: skip
LABELS = {
    Kind.MANIFEST: "its list of files cannot be relied on",
    Kind.IN_USE_LOCK: "its in-use lock",
    Kind.INSTALL_PLAN: "its install plan",
}


def lock_of(name: str, desired: DesiredState, platform: str) -> tuple[LockedEnv | None, list[Drift]]:
    """Return an environment as it is locked for a platform, or None and the drift that says why it is not locked."""
    env = desired.envs[name]
    if env.error:
        return None, [Drift(Kind.NOT_LOCKED, name, env.error)]
    if platform not in env.platforms:
        held = some(sorted(env.platforms)) or "nothing"
        return None, [
            Drift(Kind.NOT_LOCKED, name, f"{env.lock} is locked for {held}, and this host is {platform or '?'}")
        ]
    return env.platforms[platform], []


def environments_drift(desired: DesiredState, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """Compare every declared environment; add notes for those that are not declared."""
    envs, drifts = section(seen, "envs")
    yield from drifts
    for name in desired.envs:
        locked, drifts = lock_of(name, desired, platform)
        yield from drifts
        env = envs.get(name)
        if env is None:
            yield unknown(name, "it was not inspected")
        elif "error" in env:
            yield unknown(name, str(env["error"]))
        else:
            yield from _env(name, locked, env, desired)
    for name in list(seen.get("undeclared") or {})[:UNDECLARED]:
        yield Drift(Kind.UNDECLARED, name, "is on the host, and not declared for it", severity=NOTE)


def _env(name: str, locked: LockedEnv | None, env: Mapping[str, Any], desired: DesiredState) -> Iterator[Drift]:
    built = locked is not None and locked.digest[:12] in (env.get("others") or [])
    ready = "; the declared generation is built and waits for its activation" if built else ""
    link, target = str(env["link"]), env.get("target")
    want = locked.digest if locked else ""
    if link == "missing":
        yield Drift(Kind.ENV_MISSING, name, f"not installed{ready}", want)
    elif link == "dangling":
        yield Drift(Kind.ENV_LINK, name, f"its link points to {target}, which is gone", want, str(target))
    elif link == "foreign":
        yield Drift(
            Kind.ENV_LINK, name, f"its link points to {target}, which is no generation of it", want, str(target)
        )
    elif link != "ok":
        yield Drift(Kind.ENV_BLOCKED, name, str(target), want, str(target))
    else:
        yield from _generation(name, locked, env, desired.tier, ready)
    if env.get("leftovers"):
        yield Drift(Kind.LEFTOVERS, name, f"unfinished beside it: {some(env['leftovers'])}", severity=NOTE)


def _generation(name: str, locked: LockedEnv | None, env: Mapping[str, Any], tier: str, ready: str) -> Iterator[Drift]:
    unfinished = "digest" not in env and Kind.ENV_UNFINISHED.value in env["damage"]["by"]
    digest = str(env["generation"] if unfinished else env["digest"])
    if locked is not None and digest != (locked.digest[: len(digest)] if unfinished else locked.digest):
        have = [split_name(item) for item in env.get("names") or []]
        if "wheels" in env:  # records do not list wheels; a valid install plan does
            have += [(str(name), str(version), WHEEL) for name, version in env["wheels"]]
            changes = package_changes(locked.packages, have)
            same = "the same packages; variables, a wheel's file or the layout differ"
        else:
            changes = package_changes([item for item in locked.packages if item[2] != WHEEL], have)
            same = "the same conda packages; wheels, variables or layout differ"
        why = f": {some(changes, 4)}" if changes else f" ({same})"
        yield Drift(Kind.ENV_DIGEST, name, f"holds {digest[:12]}, and {tier or 'the lock'} declares "
                    f"{locked.digest[:12]}{why}{ready}", locked.digest, digest)  # fmt: skip
    for line in env.get("clobbered") or []:
        yield Drift(Kind.CLOBBERED, name, str(line))
    for line in pip_lines(env.get("pip") or []):
        yield Drift(Kind.PIP_INSTALLED, name, f"pip: {line} is not in the lock", observed=line)
    if "damage" in env:
        yield from _damage(name, env["damage"])
    if env.get("touched"):
        yield Drift(
            Kind.TOUCHED, name, f"{env['touched']} files have other times and the right contents", severity=NOTE
        )


def _damage(name: str, damage: Mapping[str, Any]) -> Iterator[Drift]:
    named: Counter[Kind] = Counter()
    for item in damage["shown"]:
        kind, path, why = Kind(item["kind"]), str(item["path"]), str(item.get("why", ""))
        if named[kind] >= SHOWN:
            continue
        named[kind] += 1
        if kind in WORDS:
            of = f" (of {item['package']})" if item.get("package") and kind is not Kind.RECORD else ""
            line = f"{path} {WORDS[kind]}{of}" + (f": {why}" if why else "")
        else:
            line = f"{LABELS[kind]}: {why}" if kind in LABELS else why
        yield Drift(kind, name, line, observed=path)
    for value, count in damage["by"].items():
        kind = Kind(value)
        if count > named[kind]:
            more = count - named[kind]
            verb = WORDS.get(kind, "differs") if more == 1 else PLURAL.get(kind, "differ")
            yield Drift(kind, name, f"and {more} more file{'s' if more > 1 else ''} {verb}")
