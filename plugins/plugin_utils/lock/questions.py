"""What a spec asks the solver, for which platforms, and whether the channels have all that it names."""

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
    """Return the platforms to lock for, sorted; none of the site's is a finding."""
    ours = draft.settings.platforms
    if wanted.platforms is None:
        return sorted(set(ours))
    found = sorted(set(ours) & set(wanted.platforms))
    if not found:
        draft.find(
            "no-platform",
            f"it is for {', '.join(wanted.platforms) or 'no platform'} only, and lockstep_platforms has "
            f"{', '.join(ours)}",
            "add a platform to either; without `platforms:` it is for all of lockstep_platforms",
            place=wanted.platforms_place,
        )
    return found


def question_of(draft: Draft, wanted: Spec, platform: str) -> Question:
    """Return what the solver is asked for one platform."""
    one_channel = len(wanted.channels) == 1
    return Question(
        platform,
        tuple(
            d.match.for_channel(
                None
                if one_channel
                else chan.base_url(d.match.channel or "", draft.solver.alias)
                if d.match.channel
                else None
            )
            for d in wanted.dependencies
        ),
        tuple(wanted.channels),
        tuple(draft.system_requirements.virtual_packages(platform)),
        tuple(draft.system_requirements.constraints(platform)),
        draft.cutoff,
    )


async def name_unknown(draft: Draft, wanted: Spec, platforms: Sequence[str]) -> None:
    """Name the packages that no channel has, for all platforms at once."""
    questions = [question_of(draft, wanted, platform) for platform in platforms]
    try:
        known = await asyncio.gather(*(draft.solver.names(question) for question in questions))
    except ChannelUnreadable as error:
        draft.find("channel", str(error), "nothing was changed")
        return
    offers = {platform: set().union(*found.values()) for platform, found in zip(platforms, known, strict=True)}
    channels = ", ".join(wanted.channels)
    for name, place in ((d.match.name, d.place) for d in wanted.dependencies):
        lacking = [platform for platform in platforms if name not in offers[platform]]
        if not lacking or name.startswith("__"):
            continue
        having = [platform for platform in platforms if platform not in lacking]
        message = f"{name} does not exist in {channels} for {', '.join(lacking)}"
        if having:
            message += f", only for {', '.join(having)}"
            remedy = f"leave it out, or make the environment for those alone: `platforms: [{', '.join(having)}]`"
        elif same := pypi_mapping.conda_name(name, set().union(*offers.values())):
            remedy = f"there it is {same}"
        elif close := lint_rules.nearest(name, set().union(*offers.values())):
            remedy = f"did you mean {close}?"
        else:
            remedy = "look for its name there; what no channel has can be built and put into one of your own"
        draft.find("unknown-package", message, remedy, place=place)
