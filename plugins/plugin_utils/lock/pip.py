"""Solve a spec's pip section: the wheels that uv adds to the conda packages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from ..conda import pypi_mapping
from ..conda.locked_package import Package
from ..conda.lockfile import Lock
from ..core.findings import WARNING
from ..solve import pip_solver
from ..spec.environment_spec import Spec
from .draft import Draft

Failures = dict[tuple[str, str], list[str]]
"""Platforms by cause and remedy."""


async def solve(
    draft: Draft, wanted: Spec, platforms: Sequence[str], conda: Sequence[Package], old: Lock | None
) -> list[Package]:
    """Return the wheels that the pip section adds on all platforms; failures become findings."""
    _advise(draft, wanted, conda)
    failures: Failures = {}
    made = await asyncio.gather(*(_platform(draft, wanted, platform, conda, old, failures) for platform in platforms))
    _report(draft, wanted, failures)
    return [package for found in made for package in found]


async def _platform(
    draft: Draft, wanted: Spec, platform: str, packages: Sequence[Package], old: Lock | None, failures: Failures
) -> tuple[Package, ...]:
    """Return the wheels that the pip section adds on one platform; without a solution, add it to `failures`."""
    settings = draft.settings
    conda = tuple(package for package in packages if package.platform == platform)
    update = {pypi_mapping.normal(name) for name in settings.update}
    kept = () if old is None or settings.upgrade else old.of(platform)
    try:
        answer = await pip_solver.solve(
            pip_solver.PipQuestion(
                platform,
                tuple(requirement.text for requirement in wanted.pip),
                conda,
                tuple(p for p in kept if p.manager == "pip" and p.name not in update),
                draft.requirements.glibc,
                draft.requirements.osx,
                draft.cutoff,
                settings.pip_index,
            )
        )
    except pip_solver.PipUnsolvable as error:
        failures.setdefault((error.cause, error.remedy), []).append(platform)
        return ()
    draft.sizes[platform] += answer.size
    return answer.packages


def _report(draft: Draft, wanted: Spec, failures: Mapping[tuple[str, str], list[str]]) -> None:
    """Add a finding for each cause, for all its platforms, at the pip line that the cause names."""
    for (cause, remedy), platforms in failures.items():
        place = min(wanted.pip_places.values(), key=lambda place: place.line)
        for name, where in wanted.pip_places.items():
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", cause):
                place = where
                break
        draft.add_finding("pip-unsolvable", f"for {', '.join(sorted(platforms))}: {cause}", remedy, place=place)


def _advise(draft: Draft, wanted: Spec, conda: Sequence[Package]) -> None:
    """Add a warning for each pip line that the conda packages make unnecessary."""
    brought = {
        name: package
        for package in conda
        if pypi_mapping.is_python(package)
        for name in pypi_mapping.pypi_names(package.name)
    }
    for requirement in wanted.pip:
        if package := brought.get(requirement.name):
            draft.add_finding(
                "pip-from-channel",
                f"{requirement.name} comes with the channel's packages ({package.name} {package.version} for "
                f"{package.platform}), so pip adds nothing",
                "move the line to the conda packages, or remove it",
                WARNING,
                wanted.pip_places[requirement.name],
            )
