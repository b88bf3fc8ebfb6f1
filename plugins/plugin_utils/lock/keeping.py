"""The least change: what is locked stays if it can, but for what is to be updated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..conda import channels as chan
from ..conda.lockfile import Lock
from ..core.findings import WARNING
from ..solve.conda_solver import Question
from ..spec.environment_spec import Spec
from .draft import Draft


async def kept_records(draft: Draft, wanted: Spec, question: Question, old: Lock | None) -> list[Any]:
    """Return the records that should stay if they can: those of the old lock, but for what is to be updated."""
    if old is None or draft.settings.upgrade or question.platform not in old.platforms:
        return []
    kept = [p for p in old.of(question.platform) if p.manager == "conda" and p.name not in draft.settings.update]
    named = {d.match.name: chan.short_name(d.match.channel) for d in wanted.dependencies if d.match.channel}
    records, gone = await draft.solver.still_there(question, kept, named)
    if gone:
        shown = ", ".join(f"{p.name} {p.version} {p.build}" for p in gone[:5])
        more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
        draft.find(
            "withdrawn",
            f"no longer in the channel for {question.platform}, or with other contents: {shown}{more}",
            "they are solved anew; hosts that have them keep them until the lock is promoted",
            WARNING,
        )
    return records


async def newest_records(draft: Draft, question: Question, records: list[Any], kept: Sequence[Any]) -> list[Any]:
    """Return records in which what is to be updated is as new as a new lock would have it.

    The solver keeps locked packages where it can, and with them an old python that all of them are built for.
    """
    update = draft.settings.update
    if not kept or not update:
        return records
    have = {record.name.normalized: (record.version, record.build_number) for record in records}
    wanted = [
        f"{record.name.normalized} =={record.version} {record.build}"
        for record in await draft.solver.solve(question)
        if record.name.normalized in update
        and have.get(record.name.normalized, (record.version, record.build_number))
        < (record.version, record.build_number)
    ]
    if not wanted:
        return records
    return await draft.solver.solve(replace(question, constraints=(*question.constraints, *wanted)), kept)
