"""Write locks in one transaction, and complete the transaction of a killed run."""

from __future__ import annotations

from collections.abc import Sequence

from ..lock_store import provenance, transaction
from .outcome import Outcome
from .settings import Settings


def write(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """Write the locks of all outcomes in one transaction.

    :raises transaction.TransactionError: if another run is active, or a lock changed meanwhile; nothing is written then
    :raises OSError: if a file cannot be written
    """
    if not outcomes:
        return
    changes = [
        transaction.Change(provenance.lock_path(settings.tier, o.name), o.old, (o.new_text or "").encode())
        for o in outcomes
    ]
    about = {"what": "lock", "tier": settings.tier, "envs": [o.name for o in outcomes]}
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with transaction.exclusive_lock(settings.locks_dir):
        transaction.finish(settings.locks_dir)  # of a run that was killed while this one solved
        transaction.apply(settings.locks_dir, changes, about)


def complete(settings: Settings, write: bool) -> str:
    """Complete the transaction of a killed run before locks are read; return its description, "" if there is none.

    :param write: whether to complete it, or only to describe it
    :raises transaction.TransactionError: if another run is active, or the transaction cannot be completed
    :raises OSError: if a file cannot be written
    """
    if not (settings.locks_dir / transaction.JOURNAL).is_file():
        return ""
    with transaction.exclusive_lock(settings.locks_dir):
        about = transaction.finish(settings.locks_dir, write)
    return transaction.describe(about) if about else ""
