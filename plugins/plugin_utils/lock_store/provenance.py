"""Why a tier has the lock that it has: a small file beside each lock, made to be committed with it.

`<locks_dir>/<tier>/<env>.provenance.json` says which audit proved the lock on the tier before, or that the tier was
rolled back, from what, when and why. It names the lock file by its sha256, which covers the smoke test in it: beside
another lock it counts for nothing. It holds no name of a host, no path and no secret, and a promotion's is the same for
the same lock and report. What the tier held before stays in `<locks_dir>/<tier>/previous/`, under the same names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..conda import lockfile

SCHEMA = 1
SUFFIX = ".provenance.json"
PREVIOUS = "previous"
LIMIT = 1 << 20


def lock_path(tier: str, env: str, previous: bool = False) -> str:
    """Where a tier's lock lies below the folder of the locks."""
    return f"{tier}/{PREVIOUS + '/' if previous else ''}{env}{lockfile.SUFFIX}"


def path(tier: str, env: str, previous: bool = False) -> str:
    """Where the evidence for that lock lies."""
    return f"{tier}/{PREVIOUS + '/' if previous else ''}{env}{SUFFIX}"


def sha256(data: bytes) -> str:
    """The sha256 of a file's bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def digests(lock: lockfile.Lock, env: str) -> dict[str, str]:
    """The digest that a lock declares for each platform.

    :raises LockError: where a host would refuse it
    """
    return {platform: lockfile.plan(lock, env, platform)["digest"] for platform in sorted(lock.platforms)}


def promotion(env: str, tier: str, data: bytes, named: Mapping[str, str], proof: Mapping[str, Any]) -> bytes:
    """The evidence of a promotion.

    :param data: the lock's bytes
    :param named: its digests by platform
    :param proof: `from`, `report` (sha256, run, at, depth), `hosts` by platform, `maintenance` (a number)
    """
    return _dump(env, tier, data, named, dict(proof), None)


def rollback(
    env: str, tier: str, data: bytes, named: Mapping[str, str], before: Any, about: Mapping[str, Any]
) -> bytes:
    """The evidence of a rollback.

    :param before: evidence that the lock had when the tier held it before, or None
    :param about: `at`, `reason`, `left` (sha256 and digests of the lock that was left), `returns`, `rebuilt`
    """
    kept = before.get("promotion") if isinstance(before, Mapping) else None
    return _dump(env, tier, data, named, kept, dict(about))


def _dump(env: str, tier: str, data: bytes, named: Mapping[str, str], proof: Any, back: Any) -> bytes:
    found = {
        "schema": SCHEMA,
        "env": env,
        "tier": tier,
        "lock": {"sha256": sha256(data), "digests": dict(sorted(named.items()))},
        "promotion": proof,
        "rollback": back,
    }
    return (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()


def loads(data: bytes | None, lock: bytes | None) -> dict[str, Any] | None:
    """Read evidence; None where there is none, where it is malformed, or where it is about another lock."""
    if data is None or lock is None or len(data) > LIMIT:
        return None
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA or found["lock"]["sha256"] != sha256(lock):
            return None
        back, proof = found["rollback"], found["promotion"]
        if not isinstance(found["lock"]["digests"], dict) or not (proof is None or isinstance(proof, dict)):
            return None
        if back is not None and not (isinstance(back["at"], str) and isinstance(back["left"]["digests"], dict)):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def demoted(found: Mapping[str, Any] | None) -> bool:
    """Whether the tier was rolled back to this lock; one that it returned to after a rollback is not demoted."""
    return bool(found and found.get("rollback") and not found["rollback"].get("returns"))


def read(locks: Path, name: str) -> bytes | None:
    """A file below the folder of the locks; None where there is none.

    :raises OSError: where it is there and cannot be read
    """
    try:
        return (locks / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def rollbacks(locks: Path, tiers: Iterable[str], envs: Iterable[str]) -> list[dict[str, Any]]:
    """The tiers' locks that were rolled back to, for a report: declared, so no drift, and not to be forgotten."""
    found = []
    names = sorted(envs)
    for tier in tiers:
        for env in names:
            try:
                known = loads(read(locks, path(tier, env)), read(locks, lock_path(tier, env)))
            except OSError:
                continue  # the hosts that need the lock say so
            if known is not None and demoted(known):
                back = known["rollback"]
                about = {"at": back["at"], "reason": str(back.get("reason") or "")}
                found.append(
                    {"tier": tier, "env": env, **about, "from": back["left"]["digests"], "to": known["lock"]["digests"]}
                )
    return found
