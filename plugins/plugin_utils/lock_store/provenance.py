"""Read and write provenance: a small file beside each lock that records why the tier has it, to be committed with it.

`<locks_dir>/<tier>/<env>.provenance.json` records the audit of the previous tier that allowed the promotion, or the
rollback with its origin, time and reason. It names the lock file by its sha256, which covers the smoke test in it, and
is ignored beside any other lock. It holds no host name, no path and no secret, and a promotion writes the same bytes
for the same lock and report. The tier's previous files are kept in `<locks_dir>/<tier>/previous/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..conda import lockfile
from ..core.digest import sha256

SCHEMA = 1
SUFFIX = ".provenance.json"
PREVIOUS = "previous"
LIMIT = 1 << 20


def lock_path(tier: str, env: str, previous: bool = False) -> str:
    """Return the path of a tier's lock below the folder of locks.

    :param previous: whether the tier's previous lock is meant
    """
    return f"{tier}/{PREVIOUS + '/' if previous else ''}{env}{lockfile.SUFFIX}"


def path(tier: str, env: str, previous: bool = False) -> str:
    """Return the path of a lock's provenance below the folder of locks; the arguments are those of `lock_path`."""
    return f"{tier}/{PREVIOUS + '/' if previous else ''}{env}{SUFFIX}"


def digests(lock: lockfile.Lock, env: str) -> dict[str, str]:
    """Return the digest that a lock declares for each platform.

    :raises LockError: if a host would refuse the lock
    """
    return {platform: lockfile.plan(lock, env, platform).digest for platform in sorted(lock.platforms)}


def promotion(env: str, tier: str, data: bytes, named: Mapping[str, str], gate: Mapping[str, Any]) -> bytes:
    """Return the provenance of a promotion, as JSON.

    :param data: the lock's bytes
    :param named: the lock's digests by platform
    :param gate: the result of the audit gate: `from`, `report` (sha256, run, at, depth), `hosts` (number by platform),
        `maintenance` (number of hosts)
    """
    return _dump(env, tier, data, named, dict(gate), None)


def rollback(
    env: str, tier: str, data: bytes, named: Mapping[str, str], before: Any, about: Mapping[str, Any]
) -> bytes:
    """Return the provenance of a rollback, as JSON.

    :param before: the provenance of the lock from the time when the tier held it, or None
    :param about: `at`, `reason`, `left` (sha256 and digests of the replaced lock), `returns`, `rebuilt`
    """
    kept = before.get("promotion") if isinstance(before, Mapping) else None
    return _dump(env, tier, data, named, kept, dict(about))


def _dump(env: str, tier: str, data: bytes, named: Mapping[str, str], gate: Any, back: Any) -> bytes:
    document = {
        "schema": SCHEMA,
        "env": env,
        "tier": tier,
        "lock": {"sha256": sha256(data), "digests": dict(sorted(named.items()))},
        "promotion": gate,
        "rollback": back,
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def loads(data: bytes | None, lock: bytes | None) -> dict[str, Any] | None:
    """Parse the provenance of a lock; None if there is none, it is malformed, or it is about another lock."""
    if data is None or lock is None or len(data) > LIMIT:
        return None
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA or found["lock"]["sha256"] != sha256(lock):
            return None
        back, gate = found["rollback"], found["promotion"]
        if not isinstance(found["lock"]["digests"], dict) or not (gate is None or isinstance(gate, dict)):
            return None
        if back is not None and not (isinstance(back["at"], str) and isinstance(back["left"]["digests"], dict)):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def demoted(found: Mapping[str, Any] | None) -> bool:
    """Return whether the tier was rolled back to this lock, and did not return to it after a rollback.

    :param found: provenance as `loads` returns it
    """
    return bool(found and found.get("rollback") and not found["rollback"].get("returns"))


def read(locks: Path, name: str) -> bytes | None:
    """Return the bytes of a file below the folder of locks; None if there is none.

    :raises OSError: if it exists and cannot be read
    """
    try:
        return (locks / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def rollbacks(locks: Path, tiers: Iterable[str], envs: Iterable[str]) -> list[dict[str, Any]]:
    """Return the locks that tiers were rolled back to: `tier`, `env`, `at`, `reason`, `from`, `to` (digests).

    Hosts with such a lock are in sync; the audit report shows it as a reminder.
    """
    found = []
    names = sorted(envs)
    for tier in tiers:
        for env in names:
            try:
                known = loads(read(locks, path(tier, env)), read(locks, lock_path(tier, env)))
            except OSError:
                continue  # the audit reports it for the hosts that need the lock
            if known is not None and demoted(known):
                back = known["rollback"]
                about = {"at": back["at"], "reason": str(back.get("reason") or "")}
                found.append(
                    {"tier": tier, "env": env, **about, "from": back["left"]["digests"], "to": known["lock"]["digests"]}
                )
    return found
