"""What is asked of the channel: the environment's wishes, as far as the channel can fulfil them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...module_utils.host.redaction import redact
from ..core.text import some
from ..spec import lint_rules
from . import translate
from .channel import Channel
from .discovered import CHANGED, DECIDE, LEFT_OUT, PART_OF_A_PLATFORM, Found, Wish
from .draft import SHOWN, Draft
from .versions import looser


def note_foreign(found: Found, channel: Channel) -> None:
    """Note packages that came from channels which the site does not allow."""
    elsewhere: dict[str, int] = {}
    for known in found.packages.values():
        if known.url and not channel.holds(known.url):
            base = known.url.rsplit("/", 2)[0]
            elsewhere[base] = elsewhere.get(base, 0) + 1
    for base, count in sorted(elsewhere.items()):
        found.note(CHANGED, f"{count} packages came from {redact(base)}: solved anew from {channel}")


def possible_wishes(draft: Draft) -> list[Wish]:
    """Return what the channel can fulfil; limits the draft's platforms, and moves packages of pip's to the channel."""
    found, names = draft.found, draft.names
    for platform in draft.platforms:
        names[platform] = draft.channel.names(platform)
    if found.everything:
        asked = _of_everything(draft)
    else:
        everywhere = set.union(*names.values())
        asked = [one for one in translate.wishes(found) if _is_there(one, everywhere, draft)]
    moved, draft.pip = translate.pip(found, set.intersection(*names.values()), asked)
    asked = _with_python([*asked, *moved], found, draft.settings.python)
    if not found.everything:
        draft.limit(asked)
    return [_in_the_channel(one, draft) for one in asked]


def _of_everything(draft: Draft) -> list[Wish]:
    """Return a wish for every package that the channel has for the environment's own platform."""
    found, there = draft.found, draft.names[draft.home]
    variants = {one.name: one for one in translate.variants(found)}
    have = [known.name for known in found.packages.values() if known.name in there]
    if wrong := translate.never(found, have):
        found.note(LEFT_OUT, f"{some(sorted(wrong), SHOWN)}: what needs CUDA brings its own libraries")
        have = [name for name in have if name not in wrong]
    unknown = sorted(name for name in found.packages if name not in there and not PART_OF_A_PLATFORM.match(name))
    if unknown:
        found.note(LEFT_OUT, f"not in {draft.channel} for {draft.home}: {some(unknown, SHOWN)}")
    return [
        *(variants.get(name, Wish(name)) for name in have),
        *(one for name, one in variants.items() if name not in have and name in there),
    ]


def _is_there(one: Wish, everywhere: set[str], draft: Draft) -> bool:
    if one.name in everywhere:
        return True
    close = lint_rules.nearest(one.name, everywhere)
    hint = f" (there is {close})" if close else ""
    draft.found.note(DECIDE, f"{one.name} is not in {draft.channel}{hint}", one.place)
    return False


def _with_python(asked: Iterable[Wish], found: Found, told: str) -> list[Wish]:
    """Hold the series of python, which everything else depends on, where nothing else holds it.

    :param told: the series to go to, if a person said one
    """
    known = found.packages.get("python")
    made = []
    for one in asked:
        if one.name == "python" and told:
            one = one.but("as told", version=f"{told}.*")
        elif one.name == "python" and not one.version and known:
            series = ".".join(known.version.split(".")[:2])
            one = one.but(f"it stays {series}, until you say otherwise", version=f"{series}.*")
        made.append(one)
    if (known or told) and not any(one.name == "python" for one in made):
        made.append(Wish("python", (told or ".".join(str(known and known.version).split(".")[:2])) + ".*"))
    return made


def _in_the_channel(one: Wish, draft: Draft) -> Wish:
    """Loosen a version that the channel does not have."""
    for version in ([one.version, *looser(one.version), ""]) if one.version else ():
        candidate = replace(one, version=version)
        for platform in draft.platforms:
            if not draft.channel.records(platform, [f"{one.name} {version}".strip()]):
                break
        else:
            if candidate == one:
                return one
            return one.but(f"{draft.channel} does not have {one.version}", version=version)
    return one
