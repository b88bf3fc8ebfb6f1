"""Choose what to request from the channel: the environment's requested packages, as far as the channel has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...module_utils.host.redaction import redact
from ..core.text import some
from ..spec import lint_rules
from . import translate
from .channel import Channel
from .discovered import CHANGED, DECIDE, LEFT_OUT, PART_OF_A_PLATFORM, Discovered, Requested
from .draft import SHOWN, Draft
from .versions import looser


def note_foreign(discovered: Discovered, channel: Channel) -> None:
    """Note packages that came from channels that the site does not allow."""
    elsewhere: dict[str, int] = {}
    for known in discovered.packages.values():
        if known.url and not channel.holds(known.url):
            base = known.url.rsplit("/", 2)[0]
            elsewhere[base] = elsewhere.get(base, 0) + 1
    for base, count in sorted(elsewhere.items()):
        discovered.note(CHANGED, f"{count} packages came from {redact(base)}: solved again from {channel}")


def requested_packages(draft: Draft) -> list[Requested]:
    """Return the requested packages that the channel has.

    Sets the draft's `names` and `pip`, may limit its platforms, and moves pip packages to the channel.
    """
    discovered, names = draft.discovered, draft.names
    for platform in draft.platforms:
        names[platform] = draft.channel.names(platform)
    if discovered.everything:
        wanted = _all_packages(draft)
    else:
        everywhere = set.union(*names.values())
        wanted = [one for one in translate.requested(discovered) if _is_there(one, everywhere, draft)]
    moved, draft.pip = translate.pip(discovered, set.intersection(*names.values()), wanted)
    wanted = _pin_python([*wanted, *moved], discovered, draft.settings.python)
    if not discovered.everything:
        draft.limit(wanted)
    return [_loosen_version(one, draft) for one in wanted]


def _all_packages(draft: Draft) -> list[Requested]:
    """Request every package of the environment that the channel has for the environment's platform."""
    discovered, there = draft.discovered, draft.names[draft.home]
    variants = {one.name: one for one in translate.variants(discovered)}
    present = [known.name for known in discovered.packages.values() if known.name in there]
    if wrong := translate.never(discovered, present):
        discovered.note(LEFT_OUT, f"{some(sorted(wrong), SHOWN)}: packages that use CUDA depend on its libraries")
        present = [name for name in present if name not in wrong]
    unknown = sorted(name for name in discovered.packages if name not in there and not PART_OF_A_PLATFORM.match(name))
    if unknown:
        discovered.note(LEFT_OUT, f"not in {draft.channel} for {draft.home}: {some(unknown, SHOWN)}")
    return [
        *(variants.get(name, Requested(name)) for name in present),
        *(one for name, one in variants.items() if name not in present and name in there),
    ]


def _is_there(one: Requested, everywhere: set[str], draft: Draft) -> bool:
    if one.name in everywhere:
        return True
    close = lint_rules.nearest(one.name, everywhere)
    hint = f" (there is {close})" if close else ""
    draft.discovered.note(DECIDE, f"{one.name} is not in {draft.channel}{hint}", one.place)
    return False


def _pin_python(wanted: Iterable[Requested], discovered: Discovered, series: str) -> list[Requested]:
    """Pin python, which everything else depends on, to a series.

    :param series: the series that a person chose (-e python=3.12); "": the environment's, unless a version is requested
    """
    known = discovered.packages.get("python")
    current = ".".join(known.version.split(".")[:2]) if known else ""
    pinned = []
    for one in wanted:
        if one.name == "python" and series:
            one = one.change("as requested by -e python", version=f"{series}.*")
        elif one.name == "python" and not one.version and current:
            one = one.change(f"it stays {current}; -e python changes it", version=f"{current}.*")
        pinned.append(one)
    if (current or series) and not any(one.name == "python" for one in pinned):
        pinned.append(Requested("python", f"{series or current}.*"))
    return pinned


def _loosen_version(one: Requested, draft: Draft) -> Requested:
    """Loosen a version that the channel does not have on every platform of the draft."""
    for version in ([one.version, *looser(one.version), ""]) if one.version else ():
        candidate = replace(one, version=version)
        for platform in draft.platforms:
            if not draft.channel.records(platform, [f"{one.name} {version}".strip()]):
                break
        else:
            if candidate == one:
                return one
            return one.change(f"{draft.channel} does not have {one.version}", version=version)
    return one
