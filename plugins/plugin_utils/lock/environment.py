"""Make the lock of one environment from its spec and its previous lock."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..conda import lock_diff
from ..conda.locked_package import LockError, Package
from ..conda.lockfile import SMOKE_TEST, Lock
from ..spec.environment_spec import Spec
from . import pip, solving, summary
from .draft import Draft
from .questions import platforms_of, report_unknown
from .reading import read_old_lock, read_smoke_test, read_spec


async def lock(draft: Draft) -> None:
    """Make one lock. The result is the draft's outcome; it has no new text if there are errors."""
    wanted = read_spec(draft)
    if wanted is None:
        return
    old = read_old_lock(draft)
    read_smoke_test(draft)
    draft.known = {d.match.name for d in wanted.dependencies} | {r.name for r in wanted.pip}
    draft.known |= {p.name for p in (old.packages if old else ())}
    platforms = platforms_of(draft, wanted)
    if not draft.failed:
        await report_unknown(draft, wanted, platforms)
    if draft.failed:
        return
    packages = await solving.solve(draft, wanted, platforms, old)
    if draft.failed:
        return
    if wanted.pip:
        packages += await pip.solve(draft, wanted, platforms, packages, old)
        if draft.failed:
            return
    _finish(draft, _new_lock(draft, wanted, platforms, packages), old)


def _new_lock(draft: Draft, wanted: Spec, platforms: Sequence[str], packages: Sequence[Package]) -> Lock:
    return Lock(
        tuple(packages),
        tuple(platforms),
        tuple(wanted.channels),
        (_spec_path(draft),),
        _custom(draft, wanted, platforms),
    )


def _spec_path(draft: Draft) -> str:
    """Return the spec's path relative to the lock, which is the same in every checkout and tier; only its name if the
    locks are not below the specs.
    """
    if draft.settings.locks_dir.resolve().is_relative_to(draft.settings.envs_dir.resolve()):
        return Path(os.path.relpath(draft.file, draft.outcome.path.parent)).as_posix()
    return draft.file.name


def _custom(draft: Draft, wanted: Spec, platforms: Sequence[str]) -> dict[str, str]:
    """Return Lockstep's metadata: what the lock was solved for, each value as JSON, and the text of the smoke test."""
    values: dict[str, Any] = {
        "system_requirements": draft.requirements.recorded(list(platforms)),
        "download_bytes": {platform: draft.sizes[platform] for platform in platforms},
    }
    if wanted.variables:
        values["variables"] = wanted.variables
    if draft.cutoff:
        values["exclude_newer"] = f"{draft.cutoff:%Y-%m-%dT%H:%M:%SZ}"
    custom = {key: json.dumps(value, sort_keys=True, separators=(",", ":")) for key, value in values.items()}
    return custom if draft.smoke_test is None else custom | {SMOKE_TEST: draft.smoke_test}


def _finish(draft: Draft, new: Lock, old: Lock | None) -> None:
    """Write the lock's text, and its difference from the previous lock, into the outcome; check that it can be read."""
    outcome = draft.outcome
    try:
        outcome.new_text = new.dumps()
        if outcome.changed:  # what is written must be readable
            Lock.loads(outcome.new_text, str(outcome.path), draft.settings.channels)
    except LockError as error:
        outcome.new_text = None
        draft.add_finding("unusable-lock", str(error), "report it to the channel, or to Lockstep")
        return
    outcome.difference = lock_diff.diff(old, new) if outcome.changed else []
    outcome.platforms = [summary.of_platform(new, platform, draft.sizes[platform]) for platform in new.platforms]
