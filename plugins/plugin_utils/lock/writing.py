"""Write locks through the journal of their folder, and complete what a killed run left there."""

from __future__ import annotations

from collections.abc import Sequence

from ..lock_store import provenance, transaction
from .outcome import Outcome
from .settings import Settings


def write(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """Change all these locks as one.

    :raises handover.HandoverError: where another run is at work, or a lock changed meanwhile; nothing was written then
    :raises OSError: where a file cannot be written
    """
    if not outcomes:
        return
    changes = [
        transaction.Change(provenance.lock_path(settings.tier, o.name), o.old, (o.new_text or "").encode())
        for o in outcomes
    ]
    about = {"what": "lock", "tier": settings.tier, "envs": [o.name for o in outcomes]}
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with transaction.alone(settings.locks_dir):
        transaction.finish(settings.locks_dir)  # of a run that was killed while this one solved
        transaction.apply(settings.locks_dir, changes, about)


def complete(settings: Settings, write: bool) -> str:
    """Complete what a killed run left, before locks are read; return what that is about, nothing where there is none.

    :param write: whether to do it, or only to say it
    :raises handover.HandoverError: where another run is at work, or it cannot be completed
    :raises OSError: where a file cannot be written
    """
    if not (settings.locks_dir / transaction.JOURNAL).is_file():
        return ""
    with transaction.alone(settings.locks_dir):
        about = transaction.finish(settings.locks_dir, write)
    return transaction.say(about) if about else ""
