"""What a spec's pip section adds to the conda packages: wheels, found by uv."""

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
    """Return what the pip section adds on all platforms; whatever goes wrong is a finding."""
    _advise(draft, wanted, conda)
    failures: Failures = {}
    made = await asyncio.gather(*(_platform(draft, wanted, platform, conda, old, failures) for platform in platforms))
    _report(draft, wanted, failures)
    return [package for found in made for package in found]


async def _platform(
    draft: Draft, wanted: Spec, platform: str, packages: Sequence[Package], old: Lock | None, failures: Failures
) -> tuple[Package, ...]:
    """Return what the pip section adds on one platform; the platform goes to `failures` where there is no solution."""
    settings = draft.settings
    conda = tuple(package for package in packages if package.platform == platform)
    moving = {pypi_mapping.normal(name) for name in settings.update}
    kept = () if old is None or settings.upgrade else old.of(platform)
    try:
        answer = await pip_solver.solve(
            pip_solver.PipQuestion(
                platform,
                tuple(requirement.text for requirement in wanted.pip),
                conda,
                tuple(p for p in kept if p.manager == "pip" and p.name not in moving),
                draft.system_requirements.glibc,
                draft.system_requirements.osx,
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
    """Tell of what uv found, at the line that it names; once for platforms with the same reason."""
    for (cause, remedy), platforms in failures.items():
        place = min(wanted.pip_places.values(), key=lambda place: place.line)
        for name, where in wanted.pip_places.items():
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", cause):
                place = where
                break
        draft.find("pip-unsolvable", f"for {', '.join(sorted(platforms))}: {cause}", remedy, place=place)


def _advise(draft: Draft, wanted: Spec, conda: Sequence[Package]) -> None:
    """Name the pip lines that conda's packages make needless."""
    brought = {
        name: package
        for package in conda
        if pypi_mapping.is_python(package)
        for name in pypi_mapping.pypi_names(package.name)
    }
    for requirement in wanted.pip:
        if package := brought.get(requirement.name):
            draft.find(
                "pip-from-channel",
                f"{requirement.name} comes with the channel's packages ({package.name} {package.version} for "
                f"{package.platform}), so pip adds nothing",
                "move the line to the conda packages, or remove it",
                WARNING,
                wanted.pip_places[requirement.name],
            )
