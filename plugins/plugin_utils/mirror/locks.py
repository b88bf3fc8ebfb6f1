"""Read the locks of the tiers that are to be mirrored."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda.lockfile import SUFFIX, Lock, LockError
from ..lock_store import provenance
from .plan import Declared
from .settings import Choice


def read_locks(folder: Path, choice: Choice) -> tuple[list[Declared], list[str]]:
    """Return the chosen tiers' locks, current ones first, and notes.

    A current lock that is not acceptable ends the run; a former one is left out with a note, since a rollback would
    refuse it too.

    :raises Problem: where there is nothing to mirror, or a lock is refused
    """
    known: dict[str, Lock] = {}
    found: list[Declared] = []
    notes: list[str] = []
    for tier in _tiers(folder, choice):
        for previous in (False, True):
            where = folder / tier / provenance.PREVIOUS if previous else folder / tier
            for path in sorted(where.glob("*" + SUFFIX)):
                env = path.name.removesuffix(SUFFIX)
                if choice.envs is not None and env not in choice.envs:
                    continue
                name = provenance.lock_path(tier, env, previous)
                try:
                    data = path.read_bytes()
                    sha256 = hashlib.sha256(data).hexdigest()
                    if sha256 not in known:  # a promotion copies bytes: the same lock in three tiers is read once
                        known[sha256] = Lock.loads(data.decode("utf-8"), str(path), choice.channels)
                except (OSError, UnicodeDecodeError, LockError) as error:
                    if not previous:
                        raise Problem(
                            f"the lock {path} cannot be used", str(error), "make it again, or promote it again"
                        ) from None
                    notes.append(f"{name} is left out, and a rollback would refuse it too: {str(error)[:200]}")
                    continue
                found.append(Declared(tier, env, name, previous, sha256, known[sha256]))
    found.sort(key=lambda one: one.previous)  # stable: tiers keep their order
    missing = sorted(set(choice.envs or ()) - {one.env for one in found})
    if missing or not found:
        raise Problem(
            f"there is no lock of {', '.join(missing)}" if missing else "there is no lock",
            f"looked for <tier>/<env>{SUFFIX} in {folder}, tiers {', '.join(_tiers(folder, choice)) or 'none'}",
            "make locks with playbooks/lock.yml, or name environments that have one",
        )
    return found, notes


def _tiers(folder: Path, choice: Choice) -> list[str]:
    """The tiers to read: those that were named, all of which must have locks, or those of the site that have some."""

    def has(tier: str) -> bool:
        if not plans.NAME.match(tier):
            raise Problem(f"{tier[:80]!r} cannot be a tier's name", "it becomes a folder's", "correct lockstep_tiers")
        return any((folder / tier).glob("*" + SUFFIX))

    if choice.chosen is None:
        return [tier for tier in choice.tiers if has(tier)]
    for tier in choice.chosen:
        if tier not in choice.tiers:
            raise Problem(f"{tier[:80]!r} is no tier", f"the site's are {', '.join(choice.tiers)} (lockstep_tiers)")
        if not has(tier):
            raise Problem(
                f"tier {tier} has no locks in {folder / tier}", "", "promote to it first, or leave it out of tiers"
            )
    return [tier for tier in choice.tiers if tier in choice.chosen]
