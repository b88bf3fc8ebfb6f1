"""All locks of a site from beginning to end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from ..conda.lockfile import SUFFIX
from ..core.findings import ERROR, FUZZY_PIN, Finding, errors
from ..solve.conda_solver import Solver
from ..spec import lint_rules
from . import environment, writing
from .draft import Draft
from .outcome import Outcome
from .settings import Settings, SettingsError, check, names


def run(settings: Settings, write: bool) -> list[Outcome]:
    """Make all locks; `write` them if there is no error.

    Where nothing is written, findings are judged by the locks that are there: see `_insist`.

    :raises SettingsError: where a variable or a name is wrong
    :raises handover.HandoverError: where another run is at work, or a lock changed meanwhile; nothing was written then
    :raises OSError: where a file cannot be written
    """
    outcomes = asyncio.run(_make(settings))
    if not write:
        for outcome in outcomes:
            outcome.findings = _insist(outcome)
    elif not any(errors(outcome.findings) for outcome in outcomes):
        writing.write(settings, [outcome for outcome in outcomes if outcome.changed])
    return outcomes


async def _make(settings: Settings) -> list[Outcome]:
    system_requirements, cutoff = check(settings)
    solver = Solver(settings.repodata_alias, settings.cache)
    outcomes = [Outcome(name, settings.locks_dir / settings.tier / f"{name}{SUFFIX}") for name in names(settings)]
    drafts = [Draft(settings, solver, system_requirements, cutoff, outcome) for outcome in outcomes]
    await asyncio.gather(*(environment.lock(draft) for draft in drafts))
    _check_update(settings.update, set().union(*(draft.known for draft in drafts)))
    return outcomes


def _check_update(update: Collection[str], known: Collection[str]) -> None:
    """Refuse to update what nothing has; raises SettingsError."""
    for name in update:
        if name not in known:
            close = lint_rules.nearest(name, known)
            raise SettingsError(
                f"update={name}: no environment that is being locked has it"
                + (f"; did you mean {close}?" if close else "")
            )


def _insist(outcome: Outcome) -> list[Finding]:
    """Return the findings, with fuzzy pins as errors where no current lock says what they came to.

    A run that writes locks leaves them warnings: it makes the lock that says so.
    """
    if outcome.old_text is not None and not outcome.changed:
        return outcome.findings
    return [
        replace(f, severity=ERROR, message=f"{f.message}, and no current lock says which that is")
        if f.code == FUZZY_PIN
        else f
        for f in outcome.findings
    ]
