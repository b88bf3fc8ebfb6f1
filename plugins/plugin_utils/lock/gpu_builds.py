"""Refuse unrequested CPU builds where the system requirements have CUDA and the channel has CUDA builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..conda import variants
from ..solve import explain_unsat
from ..solve.conda_solver import Question, Solver, Unsolvable
from ..spec import lint_rules
from ..spec.environment_spec import Spec
from .draft import Draft


async def refuse_silent_cpu(draft: Draft, wanted: Spec, question: Question, records: Sequence[Any]) -> None:
    """Add findings on CPU builds in a solution that the spec does not request, with the changes that would help."""
    suspects = [r for r in records if r.subdir != "noarch" and not variants.is_cuda(str(r.build), r.depends)]
    available = await draft.solver.records(question, [r.name.normalized for r in suspects], [question.platform])
    names = [
        name
        for name in variants.silently_cpu(suspects, available)
        if name in lint_rules.GPU_FRAMEWORKS or await _cuda_by_default(draft.solver, question, name)
    ]
    meant = variants.meant_for_cpu(records, wanted.for_cpu, names)
    names = [name for name in names if name not in meant]
    places = {d.match.name: d.place for d in wanted.dependencies}
    for name in [n for n in names if n in places] or names:  # dependencies follow the requested packages
        hints, about = await explain_unsat.towards_cuda(draft.solver, question, name)
        place = places.get(name) if about is None else wanted.dependencies[about].place
        build = next(str(r.build) for r in suspects if r.name.normalized == name)
        draft.add_finding(
            "cpu-build",
            f"{name} would be a CPU build ({build}) on {question.platform}, although the system requirements have CUDA "
            f"{draft.requirements.cuda} and the channel has CUDA builds of it",
            "found by trying:"
            + "".join(f"\n    {hint}" for hint in hints)
            + f"\n    to use the CPU build, request it: `{name}=*=cpu*`",
            place=place,
        )


async def _cuda_by_default(solver: Solver, question: Question, name: str) -> bool:
    """Return whether the solver gives a host with the newest driver a CUDA build of the package alone.

    If not (libarrow, for example), the CPU build is the channel's default. The caller does not use this for GPU
    frameworks: their newest version may have no CUDA build yet, since those take longer to build.
    """
    virtual = tuple(item for item in question.virtual_packages if item[0] != "__cuda")
    best = replace(
        question,
        dependencies=(name,),
        constraints=(),
        exclude_newer=None,
        virtual_packages=(*virtual, ("__cuda", "99.0", "0")),
    )
    try:
        records = await solver.solve(best)
    except Unsolvable:
        return True  # so that the package is examined further
    return any(r.name.normalized == name and variants.is_cuda(str(r.build), r.depends) for r in records)
