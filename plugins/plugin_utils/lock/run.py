"""Make all locks of a site."""

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
    """Make all locks; return the outcome of each environment.

    :param write: whether to write the locks if there is no error; otherwise fuzzy pins without a current lock become
        errors (`_raise_fuzzy_pins`)
    :raises SettingsError: if a variable or a name is wrong
    :raises transaction.TransactionError: if another run is active, or a lock changed meanwhile; nothing is written then
    :raises OSError: if a file cannot be written
    """
    outcomes = asyncio.run(_make(settings))
    if not write:
        for outcome in outcomes:
            outcome.findings = _raise_fuzzy_pins(outcome)
    elif not any(errors(outcome.findings) for outcome in outcomes):
        writing.write(settings, [outcome for outcome in outcomes if outcome.changed])
    return outcomes


async def _make(settings: Settings) -> list[Outcome]:
    requirements, cutoff = check(settings)
    solver = Solver(settings.repodata_alias, settings.cache)
    outcomes = [Outcome(name, settings.locks_dir / settings.tier / f"{name}{SUFFIX}") for name in names(settings)]
    drafts = [Draft(settings, solver, requirements, cutoff, outcome) for outcome in outcomes]
    await asyncio.gather(*(environment.lock(draft) for draft in drafts))
    _check_update(settings.update, set().union(*(draft.known for draft in drafts)))
    return outcomes


def _check_update(update: Collection[str], known: Collection[str]) -> None:
    """Refuse to update a package that no environment has; raises SettingsError."""
    for name in update:
        if name not in known:
            close = lint_rules.nearest(name, known)
            remedy = f"did you mean {close}?" if close else "name a package of a spec or a lock"
            raise SettingsError(f"update={name}", "no environment of this run has it", remedy)


def _raise_fuzzy_pins(outcome: Outcome) -> list[Finding]:
    """Return the findings, with fuzzy pins as errors unless a current lock records the version.

    A run that writes locks leaves them warnings, since it makes that lock.
    """
    if outcome.old_text is not None and not outcome.changed:
        return outcome.findings
    return [
        replace(f, severity=ERROR, message=f"{f.message}, and no current lock records the version")
        if f.code == FUZZY_PIN
        else f
        for f in outcome.findings
    ]
