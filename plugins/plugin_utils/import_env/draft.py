"""What an import has come to so far: the platforms, and what goes into the spec beside the wishes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...module_utils.host import install_plan as plans
from ..conda.locked_package import Package
from ..core.text import some
from . import translate
from .channel import Channel
from .discovered import CHANGED, Found, Note, Wish, note_of
from .outcome import ImportFailed, Settings

SHOWN = 12  # packages that are listed in one line


@dataclass
class Draft:
    """The new environment as it comes about. `home` is the platform of the old one, or the site's first.

    `limited` says that it is for fewer platforms than the site; `names` are the channel's, and `preferred` its packages
    that the lock should hold, by platform; `offered` are the names of those which are the old one's very versions.
    """

    settings: Settings
    found: Found
    name: str
    channel: Channel
    platforms: list[str]
    limited: bool
    home: str
    variables: dict[str, str]
    names: dict[str, set[str]] = field(default_factory=dict)
    pip: list[str] = field(default_factory=list)
    preferred: dict[str, list[Package]] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)

    def lacking(self, wishes: Iterable[Wish]) -> set[str]:
        """Return the platforms that have no solution."""
        return self.channel.lacking(wishes, self.platforms)

    def limit(self, asked: Iterable[Wish]) -> None:
        """Limit the environment to platforms that have all that is asked for, where there are any."""
        wanted = [one.name for one in asked]
        lacking = {p: [name for name in wanted if name not in self.names[p]] for p in self.platforms}
        fit = [platform for platform in self.platforms if not lacking[platform]]
        if fit and fit != self.platforms:
            for platform in sorted(set(self.platforms) - set(fit)):
                missing = some(lacking[platform], SHOWN)
                self.found.note(CHANGED, f"not for {platform}: {missing} is not in the channel for it")
            self.platforms, self.limited = fit, True
            self.home = self.home if self.home in fit else fit[0]

    def leave_out(self, lacking: set[str]) -> set[str]:
        """Give up platforms, but not the environment's own; return those that still lack a solution."""
        if self.home in lacking:
            return lacking
        self.platforms, self.limited = [p for p in self.platforms if p not in lacking], True
        for platform in sorted(lacking):
            self.found.note(CHANGED, f"not for {platform}: the channel has no solution for it")
        return set()

    def spec(self, wishes: Iterable[Wish]) -> str:
        """Return the text of the spec: python first, then by name."""
        lines = sorted({one.spec() for one in wishes}, key=lambda line: (not re.match(r"python\b(?!-)", line), line))
        platforms: Sequence[str] = self.platforms if self.limited else ()
        comment = f"Taken over from {self.settings.source.name}; yours to edit."
        return translate.spec_text(self.name, self.channel.all, platforms, self.variables, lines, self.pip, (comment,))

    def notes(self, wishes: Iterable[Wish]) -> list[Note]:
        """Return what became of everything, in the order of what it was read from."""
        notes = [*self.found.notes, *(note for note in map(note_of, wishes) if note)]
        return sorted(dict.fromkeys(notes), key=Note.order)


def begin(settings: Settings, found: Found) -> Draft:
    """Begin an import.

    :raises ImportFailed: where it has no name, or no platform in common with the site
    :raises SettingsError: where a variable of the site is wrong
    """
    site = settings.site
    channel = Channel(translate.channels(found, site.channels), site)
    name = settings.name or found.name
    if settings.python and not re.fullmatch(r"3[.][0-9]{1,2}", settings.python):
        raise ImportFailed(f"python={settings.python[:20]} is not a series of Python: write e.g. python=3.12")
    if not plans.NAME.match(name):
        raise ImportFailed(
            f"{settings.source}: which environment is it to be? Give it a name with -e env=train (a-z, 0-9, '.', '_', "
            "'-')"
        )
    ours = sorted(set(site.platforms))
    platforms = [platform for platform in ours if not found.platforms or platform in found.platforms]
    if not platforms:
        raise ImportFailed(
            f"{found.source} is for {', '.join(found.platforms)}, and lockstep_platforms has "
            f"{', '.join(site.platforms)}"
        )
    return Draft(
        settings,
        found,
        name,
        channel,
        platforms,
        limited=bool(found.platforms) and platforms != ours,
        home=found.platform if found.platform in platforms else platforms[0],
        variables=translate.variables(found, str(settings.source)),
    )
