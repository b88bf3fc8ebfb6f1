"""No CPU build by accident where the system requirements has CUDA and the channel has CUDA builds."""

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
    """Find the packages of a solution that are CPU builds although nobody asked for that, and what would help."""
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
    for name in [n for n in names if n in places] or names:  # what they bring follows them
        hints, about = await explain_unsat.towards_cuda(draft.solver, question, name)
        place = places.get(name) if about is None else wanted.dependencies[about].place
        build = next(str(r.build) for r in suspects if r.name.normalized == name)
        draft.find(
            "cpu-build",
            f"{name} would be a CPU build ({build}) on {question.platform}, although the system requirements has CUDA "
            f"{draft.system_requirements.cuda} and the channel has CUDA builds of it",
            "found by trying:"
            + "".join(f"\n    {hint}" for hint in hints)
            + f"\n    if the CPU is meant, say so: `{name}=*=cpu*`",
            place=place,
        )


async def _cuda_by_default(solver: Solver, question: Question, name: str) -> bool:
    """Say whether a host with the newest driver would be given a CUDA build of the package alone.

    If not (libarrow, say), the CPU build is what the channel means everybody to have. GPU frameworks are not asked
    about: of those the newest version may have no CUDA build yet, which take longer to make.
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
        return True  # so that it is looked at
    return any(r.name.normalized == name and variants.is_cuda(str(r.build), r.depends) for r in records)
