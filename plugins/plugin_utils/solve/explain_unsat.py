"""Explain why there is no solution by the changes that would give one.

The solver's own explanation has up to some hundred lines, the cause last. Solving again with one thing relaxed at a
time tells more: each relaxation that makes the environment solvable is something that a person can do.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..conda import variants
from ..conda.match_spec import parse
from ..core.text import some
from .conda_solver import Question, Solver, Unsolvable

_CUDA = ("12.0", "12.2", "12.4", "12.6", "12.8", "12.9", "13.0", "13.1", "13.2", "13.3")
_GLIBC = ("2.17", "2.28", "2.31", "2.34", "2.35", "2.36", "2.39", "2.41")
_OSX = ("11.0", "12.0", "13.0", "14.0", "15.0", "26.0")
_SHOWN = 8
_EXACT_BUILD = re.compile(r"[^*^$]+\Z")
_PATIENCE = 60.0  # seconds; on a whole channel each attempt costs about as much as the solve that failed


@dataclass(frozen=True)
class Relaxed:
    """A question with one thing relaxed, and the words that describe the change."""

    rank: int  # the lower, the earlier it is reported
    words: str
    question: Question
    about: str = ""  # the package whose version is reported
    series: str = ""  # of several changes with one series, only the first that helps is reported
    index: int | None = None  # of the dependency that is relaxed


async def explain(solver: Solver, question: Question, failure: str) -> tuple[list[str], int | None]:
    """Explain a failed solve.

    :param failure: the solver's own explanation
    :return: lines (the single changes that would help, then the solver's reasons), and the index of the dependency that
        the first such change is about (None: no dependency)
    """
    lines, about, late = await _helpful(solver, list(_relaxations(question)), "solvable", bool)
    if not lines and not late:
        lines, about = await _unavailable(solver, question)
    return [*lines, *late, *(f"solver: {line[:300]}" for line in _causes(failure, 3 if lines else 6))], about


def _causes(failure: str, most: int) -> list[str]:
    """Return the lines where the branches of the solver's explanation end, each once; its last lines if there are none.

    :param most: number of lines
    """
    lines = [line.strip(" \t│├└─") for line in failure.splitlines() if line.strip(" \t│├└─")]
    ends = [line for line in lines if line.endswith(("no candidates were found.", "cannot be fulfilled"))]
    ends.sort(key=lambda line: not line.startswith("the constraint"))  # the cap of the system requirements first
    return list(dict.fromkeys(ends))[:most] or lines[-most:]


async def towards_cuda(solver: Solver, question: Question, name: str) -> tuple[list[str], int | None]:
    """Return lines with the single changes that would give a CUDA build of a package, and the index of the dependency
    that the first of them is about (None: no dependency).
    """

    def good(records: list[Any]) -> bool:
        return any(r.name.normalized == name and variants.is_cuda(str(r.build), r.depends) for r in records)

    tries = [*_as_cuda(question, name), *_relaxations(question)]
    lines, about, late = await _helpful(solver, tries, "a CUDA build", good)
    return [*lines, *late], about


def _as_cuda(question: Question, name: str) -> Iterable[Relaxed]:
    """Yield changes that request the CUDA build of a package: an older one, if the newest version has none yet."""
    any_version = f"{name}=*=*cuda*"
    index = next((i for i, text in enumerate(question.dependencies) if parse(text).name == name), None)
    if index is None:
        dependencies = (*question.dependencies, any_version)
        yield Relaxed(1, f"with `{any_version}` added", replace(question, dependencies=dependencies), name)
        return
    match = parse(question.dependencies[index])
    if match.build:
        return
    same_version = [(1, f"{name} {match.version} *cuda*")] if match.version else []
    for rank, requested in (*same_version, (2, any_version)):
        dependencies = (*question.dependencies[:index], requested, *question.dependencies[index + 1 :])
        words = f"with `{requested}` in place of `{match.text}`"
        yield Relaxed(rank, words, replace(question, dependencies=dependencies), name, "build", index)


async def _helpful(
    solver: Solver, tries: Sequence[Relaxed], outcome: str, good: Callable[[list[Any]], bool]
) -> tuple[list[str], int | None, list[str]]:
    """Return lines on the single changes whose solution is `good`, the index of the first dependency that one of them
    is about (None: no dependency), and a line if some were not tried.

    :param outcome: what a good solution is called, at the start of a line
    """
    answers, skipped = await _attempts(solver, tries)
    helped: list[tuple[str, int | None]] = []
    series: set[str] = set()
    for attempt, records in sorted(zip(tries, answers, strict=True), key=lambda pair: pair[0].rank):
        if not records or not good(records) or attempt.series in series:
            continue
        series |= {attempt.series} - {""}
        found = next(
            (f" (then {attempt.about} {r.version})" for r in records if r.name.normalized == attempt.about), ""
        )
        helped.append((f"{outcome} {attempt.words}{found}", attempt.index))
    lines = [line for line, _unused in helped]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and by {len(lines) - _SHOWN} other single changes"]
    late = [f"{skipped} of {len(tries)} single changes were not tried: time limit reached"] if skipped else []
    about = next((index for _unused, index in helped if index is not None), None)
    return lines, about, late


def assumed(questions: Sequence[Question]) -> str:
    """Return, on one line, the assumptions beside the spec that all questions share; "" if there are none."""
    first, *others = [_assumed(question) for question in questions]
    parts = []
    if shared := [item for item in first if all(item in other for other in others)]:
        parts.append(f"{', '.join(shared)} (lockstep_system_requirements)")
    if cutoff := questions[0].exclude_newer:
        parts.append(f"no package newer than {cutoff:%Y-%m-%dT%H:%M:%SZ} (lockstep_exclude_newer)")
    return ", ".join(parts)


def _assumed(question: Question) -> list[str]:
    virtual = [
        f"{name}={version}" + (f"={build}" if build != "0" else "")
        for name, version, build in question.virtual_packages
        if name != "__unix"
    ]
    return [*virtual, *question.constraints]


async def _unavailable(solver: Solver, question: Question) -> tuple[list[str], int | None]:
    """Return lines on the dependencies that have no solution even on their own, and the index of the first; where all
    have one, what `_together` returns.
    """
    attempts = [
        Relaxed(0, text, replace(question, dependencies=(text,)), index=index)
        for index, text in enumerate(question.dependencies)
    ]
    answers, _unused = await _attempts(solver, attempts)
    unavailable = [attempt for attempt, records in zip(attempts, answers, strict=True) if records == []]
    if not unavailable:
        return await _together(solver, question)
    lines = [f"not available even alone: {some([f'`{attempt.words}`' for attempt in unavailable], _SHOWN)}"]
    builds = [attempt.words for attempt in unavailable if _EXACT_BUILD.match(parse(attempt.words).build or "")]
    if builds:
        lines.append(
            f"{len(builds)} of those name one build, as exports do: it belongs to another channel or platform, or was "
            "withdrawn; write the version only, or just the name"
        )
    return lines, unavailable[0].index


async def _together(solver: Solver, question: Question) -> tuple[list[str], int | None]:
    """Return a line on the dependencies that must be loosened together where no single change helps, and the index of
    the first.
    """
    names = [parse(text).name for text in question.dependencies]
    ways: list[tuple[str, list[str]]] = [("with any version of", names), ("without", [""] * len(names))]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            for words, loose in ways:
                if any(loose) and not await _solvable(solver, question, loose):
                    continue
                loosened = await _to_be_loosened(solver, question, loose)
                listed = ", ".join(f"`{question.dependencies[index]}`" for index in loosened)
                return [f"no single change makes it solvable; it is {words} {listed} together"], loosened[0]
    return ["no single change makes it solvable: remove packages until it is"], None


async def _to_be_loosened(solver: Solver, question: Question, loose: Sequence[str]) -> list[int]:
    """Return the indices of the dependencies that cannot stay.

    All begin in their loose form; one after the other is restored, and kept if there still is a solution.

    :param loose: the loose form of each dependency ("": left out)
    """
    current, loosened = list(loose), []
    for index, text in enumerate(question.dependencies):
        trial = [*current[:index], text, *current[index + 1 :]]
        if text == loose[index] or await _solvable(solver, question, trial):
            current = trial
        else:
            loosened.append(index)
    return loosened


async def _solvable(solver: Solver, question: Question, dependencies: Sequence[str]) -> bool:
    requested = tuple(text for text in dependencies if text)
    return bool(await _attempt(solver, Relaxed(0, "", replace(question, dependencies=requested))))


async def _attempts(solver: Solver, attempts: Sequence[Relaxed]) -> tuple[list[list[Any] | None], int]:
    """Return the records of each attempt ([]: no solution, None: not tried in time), and how many were not tried."""
    tasks = [asyncio.create_task(_attempt(solver, attempt)) for attempt in attempts]
    if tasks:
        _unused, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in late:
            task.cancel()
    answers = [task.result() if task.done() and not task.cancelled() else None for task in tasks]
    return answers, sum(answer is None for answer in answers)


async def _attempt(solver: Solver, attempt: Relaxed) -> list[Any]:
    try:
        return await solver.solve(attempt.question)
    except Unsolvable:
        return []


def _relaxations(question: Question) -> Iterable[Relaxed]:
    for index, text in enumerate(question.dependencies):
        match = parse(text)
        others = question.dependencies[:index], question.dependencies[index + 1 :]
        if match.version or match.build:
            yield Relaxed(
                1,
                f"with `{match.name}` in place of `{text}`",
                replace(question, dependencies=(*others[0], match.name, *others[1])),
                match.name,
                index=index,
            )
        without = replace(question, dependencies=(*others[0], *others[1]))
        yield Relaxed(5, f"without `{text}`", without, index=index)
    if question.exclude_newer:
        yield Relaxed(2, "without lockstep_exclude_newer", replace(question, exclude_newer=None))
    yield from _system_requirements(question)


def _system_requirements(question: Question) -> Iterable[Relaxed]:
    """Yield questions with one value of the system requirements raised step by step, and one without the CUDA cap."""
    declared = {name: version for name, version, _unused in question.virtual_packages}
    linux = question.platform.startswith("linux-")
    steps: list[tuple[str, Iterable[str]]] = [("glibc", _GLIBC), ("cuda", _CUDA)] if linux else [("osx", _OSX)]
    for key, versions in steps:
        present = declared.get(f"__{key}")
        for version in versions:
            if present is not None and _number(version) <= _number(present):
                continue
            change = f"{key} {version} in place of {present}" if present else f"{key} {version}"
            about = "cuda-version" if key == "cuda" else ""
            relaxed = _with_system_requirements(question, key, version)
            yield Relaxed(3, f"with {change} in the system requirements", relaxed, about, key)
    if question.constraints:
        yield Relaxed(
            4,
            f"without the cap {', '.join(question.constraints)} of the system requirements",
            replace(question, constraints=()),
            "cuda-version",
            "cuda",
        )


def _with_system_requirements(question: Question, key: str, version: str) -> Question:
    kept = tuple(item for item in question.virtual_packages if item[0] != f"__{key}")
    constraints = (f"cuda-version <={version}",) if key == "cuda" else question.constraints
    return replace(question, virtual_packages=(*kept, (f"__{key}", version, "0")), constraints=constraints)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
