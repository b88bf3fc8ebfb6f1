"""The environments: links, generations, packages, files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import some
from ...desired.declared import WHEEL, Declared, Locked
from .drift import DRIFT, NOTE, SHOWN, UNKNOWN, Drift, section, unknown
from .kinds import Kind
from .packages import package_changes, pip_lines, split_name

FILE_KINDS = {
    "missing": Kind.FILE_MISSING, "altered": Kind.FILE_ALTERED, "extra": Kind.FILE_EXTRA, "odd": Kind.FILE_ODD,
    "mode": Kind.FILE_MODE, "owner": Kind.FILE_OWNER, "unreadable": Kind.UNREADABLE,
}  # fmt: skip
UNDECLARED = 50  # as many as the observer names
WORDS = {"missing": "is missing", "altered": "is altered", "extra": "does not belong", "odd": "does not belong",
         "mode": "has a wrong mode", "owner": "has another owner", "unreadable": "cannot be read"}  # fmt: skip


def lock_of(name: str, declared: Declared, platform: str) -> tuple[Locked | None, list[Drift]]:
    """Return what is locked of an environment for a platform, or why nothing is."""
    env = declared.envs[name]
    if env.error:
        return None, [Drift(Kind.NOT_LOCKED, name, env.error)]
    if platform not in env.platforms:
        held = some(sorted(env.platforms)) or "nothing"
        return None, [
            Drift(Kind.NOT_LOCKED, name, f"{env.lock} is locked for {held}, and this host is {platform or '?'}")
        ]
    return env.platforms[platform], []


def environments_drift(declared: Declared, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """Every declared environment, and those that nobody declared."""
    envs, drifts = section(seen, "envs")
    yield from drifts
    for name in declared.envs:
        locked, drifts = lock_of(name, declared, platform)
        yield from drifts
        env = envs.get(name)
        if env is None:
            yield unknown(name, "it was not looked at")
        elif "error" in env:
            yield unknown(name, str(env["error"]))
        else:
            yield from _env(name, locked, env, declared)
    for name in list(seen.get("undeclared") or {})[:UNDECLARED]:
        yield Drift(Kind.UNDECLARED, name, "stands on the host, and is not declared for it", severity=NOTE)


def _env(name: str, locked: Locked | None, env: Mapping[str, Any], declared: Declared) -> Iterator[Drift]:
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
        yield Drift(Kind.ENV_LINK, name, f"envs/{name} is a {target}, not a link", want, str(target))
    elif "unfinished" in env:
        yield Drift(Kind.ENV_UNFINISHED, name, f"{env['generation']} is live, and {env['unfinished']}", want)
    else:
        yield from _generation(name, locked, env, declared.tier, ready)
    if env.get("leftovers"):
        yield Drift(Kind.LEFTOVERS, name, f"unfinished beside it: {some(env['leftovers'])}", severity=NOTE)


def _generation(name: str, locked: Locked | None, env: Mapping[str, Any], tier: str, ready: str) -> Iterator[Drift]:
    digest = str(env["digest"])
    if locked is not None and digest != locked.digest:
        have = [split_name(item) for item in env.get("names") or []]
        if "wheels" in env:  # records know of none; the plan that it was made from does, where that can be believed
            have += [(str(name), str(version), WHEEL) for name, version in env["wheels"]]
            changes = package_changes(locked.packages, have)
            same = "the same packages; variables, a wheel's file or the layout differ"
        else:
            changes = package_changes([item for item in locked.packages if item[2] != WHEEL], have)
            same = "the same conda packages; wheels, variables or layout differ"
        why = f": {some(changes, 4)}" if changes else f" ({same})"
        yield Drift(Kind.ENV_DIGEST, name, f"holds {digest[:12]}, and {tier or 'the lock'} declares "
                    f"{locked.digest[:12]}{why}{ready}", locked.digest, digest)  # fmt: skip
    if "mislabelled" in env:
        yield Drift(Kind.ENV_IDENTITY, name, str(env["mislabelled"]))
    for line in env.get("identity") or []:
        yield Drift(Kind.ENV_IDENTITY, name, str(line))
    if env.get("manifest") != "ok":
        yield Drift(Kind.MANIFEST, name, f"its list of files cannot be trusted: {env.get('manifest')}")
    if "in_use_lock" in env:
        yield Drift(Kind.IN_USE_LOCK, name, f"its in-use lock: {env['in_use_lock']}")
    if "plan" in env:
        yield Drift(Kind.PLAN, name, f"the plan that it was made from: {env['plan']}")
    for line in env.get("clobbered") or []:
        yield Drift(Kind.CLOBBERED, name, str(line))
    for line in pip_lines(env.get("pip") or []):
        yield Drift(Kind.PIP_INSTALLED, name, f"pip: {line} is not in the lock", observed=line)
    if "problems" in env:
        yield from _problems(name, env["problems"])
    if env.get("touched"):
        yield Drift(
            Kind.TOUCHED, name, f"{env['touched']} files have other times and the right contents", severity=NOTE
        )


def _problems(name: str, problems: Mapping[str, Any]) -> Iterator[Drift]:
    named: dict[str, int] = {}
    for item in problems["shown"]:
        what, path = str(item["what"]), str(item["path"])
        if named.get(what, 0) >= SHOWN:
            continue
        named[what] = named.get(what, 0) + 1
        kind = FILE_KINDS[what]
        if re.match(r"conda-meta/[^/]+\.json\Z", path) and what in ("missing", "altered", "extra"):
            kind = Kind.RECORD
        of = f" (of {item['package']})" if item.get("package") and kind is not Kind.RECORD else ""
        why = f": {item['why']}" if item.get("why") else ""
        yield Drift(kind, name, f"{path} {WORDS[what]}{of}{why}", observed=what,
                    severity=UNKNOWN if what == "unreadable" else DRIFT)  # fmt: skip
    for what, count in problems["by"].items():
        if count > named.get(what, 0):
            more = count - named.get(what, 0)
            line = f"and {more} more file{'s' if more > 1 else ''}, of which each {WORDS[what]}"
            yield Drift(FILE_KINDS[what], name, line,
                        observed=what, severity=UNKNOWN if what == "unreadable" else DRIFT)  # fmt: skip
