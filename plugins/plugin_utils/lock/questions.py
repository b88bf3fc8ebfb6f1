"""Turn a spec into questions for the solver, and check that the channels have every package that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..conda import channels as chan
from ..conda import pypi_mapping
from ..solve.conda_solver import ChannelUnreadable, Question
from ..spec import lint_rules
from ..spec.environment_spec import Spec
from .draft import Draft


def platforms_of(draft: Draft, wanted: Spec) -> list[str]:
    """Return the platforms to lock for, sorted; add a finding if the spec has none of the site's."""
    ours = draft.settings.platforms
    if wanted.platforms is None:
        return sorted(set(ours))
    platforms = sorted(set(ours) & set(wanted.platforms))
    if not platforms:
        draft.add_finding(
            "no-platform",
            f"the spec is for {', '.join(wanted.platforms) or 'no platform'} only, but lockstep_platforms has "
            f"{', '.join(ours)}",
            "add a platform to either, or remove `platforms:` to lock for all of lockstep_platforms",
            place=wanted.platforms_place,
        )
    return platforms


def question_of(draft: Draft, wanted: Spec, platform: str) -> Question:
    """Return the question for the solver for one platform."""
    several, alias = len(wanted.channels) > 1, draft.solver.alias
    matches = [dependency.match for dependency in wanted.dependencies]
    return Question(
        platform,
        tuple(m.for_channel(chan.base_url(m.channel, alias) if m.channel and several else None) for m in matches),
        tuple(wanted.channels),
        tuple(draft.requirements.virtual_packages(platform)),
        tuple(draft.requirements.constraints(platform)),
        draft.cutoff,
    )


async def report_unknown(draft: Draft, wanted: Spec, platforms: Sequence[str]) -> None:
    """Add a finding for each package that no channel has on some platform."""
    questions = [question_of(draft, wanted, platform) for platform in platforms]
    try:
        known = await asyncio.gather(*(draft.solver.names(question) for question in questions))
    except ChannelUnreadable as error:
        draft.add_finding("channel", error.problem, error.remedy)
        return
    offers = {platform: set().union(*found.values()) for platform, found in zip(platforms, known, strict=True)}
    channels = ", ".join(wanted.channels)
    for name, place in ((d.match.name, d.place) for d in wanted.dependencies):
        missing = [platform for platform in platforms if name not in offers[platform]]
        if not missing or name.startswith("__"):
            continue
        available = [platform for platform in platforms if platform not in missing]
        message = f"{name} does not exist in {channels} for {', '.join(missing)}"
        if available:
            message += f", only for {', '.join(available)}"
            remedy = f"remove it, or limit the environment to those: `platforms: [{', '.join(available)}]`"
        elif same := pypi_mapping.conda_name(name, set().union(*offers.values())):
            remedy = f"its name there is {same}"
        elif close := lint_rules.nearest(name, set().union(*offers.values())):
            remedy = f"did you mean {close}?"
        else:
            remedy = "search the channel for its name, or publish a package of your own in an allowed channel"
        draft.add_finding("unknown-package", message, remedy, place=place)
