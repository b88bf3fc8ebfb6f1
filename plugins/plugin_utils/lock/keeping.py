"""Keep locked packages: what is locked stays if it can, except packages to update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..conda import channels as chan
from ..conda.lockfile import Lock
from ..core.findings import WARNING
from ..core.text import some
from ..solve.conda_solver import Question
from ..spec.environment_spec import Spec
from .draft import Draft


async def kept_records(draft: Draft, wanted: Spec, question: Question, old: Lock | None) -> list[Any]:
    """Return the channel's records of the old lock's packages, except those to update; the solver keeps them if it can.

    Adds a finding for packages that the channel no longer has.
    """
    if old is None or draft.settings.upgrade or question.platform not in old.platforms:
        return []
    kept = [p for p in old.of(question.platform) if p.manager == "conda" and p.name not in draft.settings.update]
    pinned = {d.match.name: chan.short_name(d.match.channel) for d in wanted.dependencies if d.match.channel}
    records, gone = await draft.solver.still_there(question, kept, pinned)
    if gone:
        listed = some([f"{p.name} {p.version} {p.build}" for p in gone])
        draft.add_finding(
            "withdrawn",
            f"no longer in the channel for {question.platform}, or with other contents: {listed}",
            "they are solved again; hosts that have them keep them until the lock is promoted",
            WARNING,
        )
    return records


async def newest_records(draft: Draft, question: Question, records: list[Any], kept: Sequence[Any]) -> list[Any]:
    """Return records in which the packages to update are as new as without a previous lock.

    The solver keeps locked packages where it can, and with them an old python that they are all built for.

    :param records: the solution that keeps `kept`
    """
    update = draft.settings.update
    if not kept or not update:
        return records
    solved = {record.name.normalized: (record.version, record.build_number) for record in records}
    newer = [
        f"{record.name.normalized} =={record.version} {record.build}"
        for record in await draft.solver.solve(question)
        if record.name.normalized in update
        and solved.get(record.name.normalized, (record.version, record.build_number))
        < (record.version, record.build_number)
    ]
    if not newer:
        return records
    return await draft.solver.solve(replace(question, constraints=(*question.constraints, *newer)), kept)
