"""Solve a spec for all platforms at once; if there is no solution, report why and what would help."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...module_utils.host.redaction import redact
from ..conda.locked_package import LockError, Package
from ..conda.lockfile import Lock
from ..solve import explain_unsat
from ..solve.conda_solver import ChannelUnreadable, Question, Solver, Unsolvable
from ..spec.environment_spec import Spec
from .draft import Draft
from .gpu_builds import refuse_silent_cpu
from .keeping import kept_records, newest_records
from .questions import question_of

Unsolved = dict[tuple[tuple[str, ...], int | None], list[Question]]
"""Questions without a solution, by hints and the index of the dependency that the first hint is about."""


async def solve(draft: Draft, wanted: Spec, platforms: Sequence[str], old: Lock | None) -> list[Package]:
    """Return the packages for all platforms; failures become findings."""
    unsolved: Unsolved = {}
    made = await asyncio.gather(*(_platform(draft, wanted, platform, old, unsolved) for platform in platforms))
    solved = [platform for platform, found in zip(platforms, made, strict=True) if found]
    _report_unsolved(draft, wanted, unsolved, solved)
    return [package for found in made for package in found]


async def _platform(draft: Draft, wanted: Spec, platform: str, old: Lock | None, unsolved: Unsolved) -> list[Package]:
    """Return the packages for one platform; without a solution, add its question to `unsolved`."""
    question, solver = question_of(draft, wanted, platform), draft.solver
    try:
        kept = await kept_records(draft, wanted, question, old)
        records = await newest_records(draft, question, await solver.solve(question, kept), kept)
        if draft.requirements.cuda_on(platform):
            await refuse_silent_cpu(draft, wanted, question, records)
        draft.sizes[platform] = sum(record.size or 0 for record in records)
        return solver.packages(question, records)
    except Unsolvable as error:
        hints, about = await _hints(solver, question, str(error))
        unsolved.setdefault((tuple(hints), about), []).append(question)
    except (ChannelUnreadable, LockError) as error:
        draft.add_finding("channel", error.problem, error.remedy or "nothing was changed")
    return []


async def _hints(solver: Solver, question: Question, failure: str) -> tuple[list[str], int | None]:
    """Return what would help, with channels by name (urls may hold a password), and the index of the dependency that
    the first hint is about.
    """
    about = None
    try:
        hints, about = await explain_unsat.explain(solver, question, failure)
    except ChannelUnreadable as error:
        hints = [f"no hints: {error}"]
    for channel, source in zip(question.channels, solver.sources(question), strict=True):
        hints = [hint.replace(source, channel) for hint in hints]
    return [redact(hint) for hint in hints], about


def _report_unsolved(draft: Draft, wanted: Spec, unsolved: Unsolved, solved: Sequence[str]) -> None:
    """Add a finding for each set of hints, for all its platforms."""
    elsewhere = f"solvable for {', '.join(solved)} only: `platforms: [{', '.join(solved)}]`"
    for (hints, about), found in unsolved.items():
        questions = sorted(found, key=lambda question: question.platform)
        assumed = explain_unsat.assumed(questions)
        draft.add_finding(
            "unsolvable",
            f"no solution for {', '.join(question.platform for question in questions)}"
            + (f", assuming {assumed}" if assumed else ""),
            "found by trying:" + "".join(f"\n    {hint}" for hint in (*hints, *([elsewhere] if solved else []))),
            place=wanted.dependencies[about].place if about is not None else None,
        )
