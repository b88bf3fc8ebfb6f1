"""Read the locks of the tiers that are to be mirrored."""

from __future__ import annotations

from pathlib import Path

from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda.lockfile import SUFFIX, Lock, LockError
from ..core.digest import sha256
from ..lock_store import provenance
from .items import TierLock
from .settings import Choice


def read_locks(folder: Path, choice: Choice) -> tuple[list[TierLock], list[str]]:
    """Read the locks of the chosen tiers; return them, current ones first, and notes.

    A former lock that cannot be used is left out with a note: a rollback would refuse it too.

    :param folder: the folder of all tiers' locks
    :raises Problem: if a current lock cannot be used, or no lock is chosen
    """
    known: dict[str, Lock] = {}
    found: list[TierLock] = []
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
                    digest = sha256(data)
                    if digest not in known:  # a promotion copies bytes: the same lock in three tiers is read once
                        known[digest] = Lock.loads(data.decode("utf-8"), str(path), choice.channels)
                except (OSError, UnicodeDecodeError, LockError) as error:
                    if not previous:
                        raise Problem(
                            f"the lock {path} cannot be used", str(error), "make it again, or promote it again"
                        ) from None
                    notes.append(f"{name} is left out, and a rollback would refuse it too: {str(error)[:200]}")
                    continue
                found.append(TierLock(tier, env, name, previous, digest, known[digest]))
    found.sort(key=lambda one: one.previous)  # stable: tiers keep their order
    missing = sorted(set(choice.envs or ()) - {one.env for one in found})
    if missing or not found:
        raise Problem(
            f"there is no lock of {', '.join(missing)}" if missing else "there is no lock",
            f"searched <tier>/<env>{SUFFIX} in {folder}, tiers {', '.join(_tiers(folder, choice)) or 'none'}",
            "make locks with playbooks/lock.yml, or name environments that have one",
        )
    return found, notes


def _tiers(folder: Path, choice: Choice) -> list[str]:
    """Return the tiers to read: the chosen ones, which must all have locks, or all tiers of the site with locks."""

    def has(tier: str) -> bool:
        if not plans.NAME.match(tier):
            raise Problem(
                f"{tier[:80]!r} cannot be a tier's name", "it is a folder's name too", "correct lockstep_tiers"
            )
        return any((folder / tier).glob("*" + SUFFIX))

    if choice.chosen is None:
        return [tier for tier in choice.tiers if has(tier)]
    for tier in choice.chosen:
        if tier not in choice.tiers:
            raise Problem(
                f"{tier[:80]!r} is no tier",
                f"the site's are {', '.join(choice.tiers)} (lockstep_tiers)",
                "choose one of them",
            )
        if not has(tier):
            raise Problem(
                f"tier {tier} has no locks in {folder / tier}", "", "promote to it first, or leave it out of tiers"
            )
    return [tier for tier in choice.tiers if tier in choice.chosen]
