"""Why there is no solution, said as what a person could do about it.

The solver's own explanation is up to some hundred lines with the cause last. Asking it again with one thing relaxed at
a time tells more: whichever relaxation makes the environment solvable is something to do.
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
from .conda_solver import Question, Solver, Unsolvable

_CUDA = ("12.0", "12.2", "12.4", "12.6", "12.8", "12.9", "13.0", "13.1", "13.2", "13.3")
_GLIBC = ("2.17", "2.28", "2.31", "2.34", "2.35", "2.36", "2.39", "2.41")
_OSX = ("11.0", "12.0", "13.0", "14.0", "15.0", "26.0")
_SHOWN = 8
_EXACT_BUILD = re.compile(r"[^*^$]+\Z")
_PATIENCE = 60.0  # seconds; on a whole channel each attempt costs about as much as the solve that failed


@dataclass(frozen=True)
class Relaxed:
    """A question with one thing relaxed, and how to say that."""

    rank: int  # what is said first
    words: str
    question: Question
    about: str = ""  # the package whose version is worth telling
    series: str = ""  # of several with one series only the first that helps is told
    index: int | None = None  # of the dependency that is relaxed


async def explain(solver: Solver, question: Question, failure: str) -> tuple[list[str], int | None]:
    """Return lines: which single changes would help, then the solver's reasons; and the number of the dependency that
    the first such change is about.
    """
    lines, about, late = await _helpful(solver, list(_relaxations(question)), "solvable", bool)
    if not lines and not late:
        lines, about = await _alone(solver, question)
    return [*lines, *late, *(f"solver: {line[:300]}" for line in _causes(failure, 3 if lines else 6))], about


def _causes(failure: str, most: int) -> list[str]:
    """Return the lines of the solver's explanation where its branches end, each once; the last lines if it has none."""
    lines = [line.strip(" \t│├└─") for line in failure.splitlines() if line.strip(" \t│├└─")]
    ends = [line for line in lines if line.endswith(("no candidates were found.", "cannot be fulfilled"))]
    ends.sort(key=lambda line: not line.startswith("the constraint"))  # the system requirements' cap tells most
    return list(dict.fromkeys(ends))[:most] or lines[-most:]


async def towards_cuda(solver: Solver, question: Question, name: str) -> tuple[list[str], int | None]:
    """Return which single changes would give a CUDA build of the package, and the number of the dependency that the
    first such change is about.
    """

    def good(records: list[Any]) -> bool:
        return any(r.name.normalized == name and variants.is_cuda(str(r.build), r.depends) for r in records)

    tries = [*_as_cuda(question, name), *_relaxations(question)]
    lines, about, late = await _helpful(solver, tries, "a CUDA build", good)
    return [*lines, *late], about


def _as_cuda(question: Question, name: str) -> Iterable[Relaxed]:
    """Ask for the CUDA build of a package by name: an older one, where the newest version has none yet."""
    any_version = f"{name}=*=*cuda*"
    index = next((i for i, text in enumerate(question.dependencies) if parse(text).name == name), None)
    if index is None:
        dependencies = (*question.dependencies, any_version)
        yield Relaxed(1, f"with `{any_version}` besides", replace(question, dependencies=dependencies), name)
        return
    match = parse(question.dependencies[index])
    if match.build:
        return
    same_version = [(1, f"{name} {match.version} *cuda*")] if match.version else []
    for rank, wish in (*same_version, (2, any_version)):
        dependencies = (*question.dependencies[:index], wish, *question.dependencies[index + 1 :])
        words = f"with `{wish}` in place of `{match.text}`"
        yield Relaxed(rank, words, replace(question, dependencies=dependencies), name, "build", index)


async def _helpful(
    solver: Solver, tries: Sequence[Relaxed], outcome: str, good: Callable[[list[Any]], bool]
) -> tuple[list[str], int | None, list[str]]:
    """Return lines on the single changes whose solution is good, the number of the first dependency that one of them
    is about, and a line if some were not tried.
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
    lines = [line for line, _ in helped]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and by {len(lines) - _SHOWN} other single changes"]
    late = [f"{skipped} of {len(tries)} single changes were not tried, for lack of time"] if skipped else []
    about = next((index for _, index in helped if index is not None), None)
    return lines, about, late


def assumed(questions: Sequence[Question]) -> str:
    """Return what the solver was told of all of these beside the spec, on one line; nothing if they have none of it in
    common.
    """
    told = [_assumed(question) for question in questions]
    system_requirements = ", ".join(item for item in told[0] if all(item in other for other in told))
    cutoff = questions[0].exclude_newer
    extra = f"no package newer than {cutoff:%Y-%m-%dT%H:%M:%SZ} (lockstep_exclude_newer)" if cutoff else ""
    return ", ".join(
        part
        for part in (f"{system_requirements} (lockstep_system_requirements)" if system_requirements else "", extra)
        if part
    )


def _assumed(question: Question) -> list[str]:
    virtual = [
        f"{name}={version}" + (f"={build}" if build != "0" else "")
        for name, version, build in question.virtual_packages
        if name != "__unix"
    ]
    return [*virtual, *question.constraints]


async def _alone(solver: Solver, question: Question) -> tuple[list[str], int | None]:
    """Return what to say when more than one thing stands in the way: which entries cannot be had even on their own."""
    attempts = [
        Relaxed(0, text, replace(question, dependencies=(text,)), index=index)
        for index, text in enumerate(question.dependencies)
    ]
    answers, _ = await _attempts(solver, attempts)
    hopeless = [attempt for attempt, records in zip(attempts, answers, strict=True) if records == []]
    if not hopeless:
        return await _together(solver, question)
    shown = ", ".join(f"`{attempt.words}`" for attempt in hopeless[:_SHOWN])
    more = f" and {len(hopeless) - _SHOWN} more" if len(hopeless) > _SHOWN else ""
    lines = [f"not to be had even alone: {shown}{more}"]
    builds = [attempt.words for attempt in hopeless if _EXACT_BUILD.match(parse(attempt.words).build or "")]
    if builds:
        lines.append(
            f"{len(builds)} of those name one build, as exports do: of another channel, another platform, or gone; "
            "write the version alone, or just the name"
        )
    return lines, hopeless[0].index


async def _together(solver: Solver, question: Question) -> tuple[list[str], int | None]:
    """Return which entries have to be loosened together where no single change helps, and the number of the first."""
    names = [parse(text).name for text in question.dependencies]
    ways: list[tuple[str, list[str]]] = [("with any version of", names), ("without", [""] * len(names))]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            for words, loose in ways:
                if any(loose) and not await _solvable(solver, question, loose):
                    continue
                loosened = await _to_be_loosened(solver, question, loose)
                told = ", ".join(f"`{question.dependencies[index]}`" for index in loosened)
                return [f"no single change makes it solvable; it is {words} {told} together"], loosened[0]
    return ["no single change makes it solvable: take packages out until it is"], None


async def _to_be_loosened(solver: Solver, question: Question, loose: Sequence[str]) -> list[int]:
    """Return the numbers of the entries that cannot stay, found by putting one after the other in its place again,
    beginning with all of them as `loose` has them (nothing: left out).
    """
    current, found = list(loose), []
    for index, text in enumerate(question.dependencies):
        trial = [*current[:index], text, *current[index + 1 :]]
        if text == loose[index] or await _solvable(solver, question, trial):
            current = trial
        else:
            found.append(index)
    return found


async def _solvable(solver: Solver, question: Question, dependencies: Sequence[str]) -> bool:
    asked = tuple(text for text in dependencies if text)
    return bool(await _attempt(solver, Relaxed(0, "", replace(question, dependencies=asked))))


async def _attempts(solver: Solver, attempts: Sequence[Relaxed]) -> tuple[list[list[Any] | None], int]:
    """Return for each attempt its records, [] if it has no solution, None if there was no time; and the number of
    those.
    """
    tasks = [asyncio.create_task(_attempt(solver, attempt)) for attempt in attempts]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
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
    """Raise one value of the system requirements step by step; the first step that helps is told."""
    have = {name: version for name, version, _ in question.virtual_packages}
    linux = question.platform.startswith("linux-")
    steps: list[tuple[str, Iterable[str]]] = [("glibc", _GLIBC), ("cuda", _CUDA)] if linux else [("osx", _OSX)]
    for key, versions in steps:
        present = have.get(f"__{key}")
        for version in versions:
            if present is not None and _number(version) <= _number(present):
                continue
            said = (
                f"with system requirements {key} {version} in place of {present}"
                if present
                else f"with system requirements of {key} {version}"
            )
            yield Relaxed(
                3, said, _with_system_requirements(question, key, version), "cuda-version" if key == "cuda" else "", key
            )
    if question.constraints:
        yield Relaxed(
            4,
            f"without the cap {', '.join(question.constraints)} that the system requirements asks for",
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
