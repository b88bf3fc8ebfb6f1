"""The state of an import while it runs: the platforms, and what goes into the spec beside the requested packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...module_utils.host import install_plan as plans
from ..conda.locked_package import Package
from ..core.text import some
from . import translate
from .channel import Channel
from .discovered import CHANGED, Discovered, Note, Requested, describe
from .outcome import ImportFailed, Settings

SHOWN = 12  # packages that are listed in one line


@dataclass
class Draft:
    """The new environment while it is made.

    `home` is the platform of the old environment, or the site's first; `limited` is true if the spec has fewer
    platforms than the site. By platform, `names` are the package names of the channel, and `preferred` are the packages
    that the lock should hold; `offered` are names of packages that the channel has in the environment's version.
    """

    settings: Settings
    discovered: Discovered
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

    def unsolvable(self, requested: Iterable[Requested]) -> set[str]:
        """Return the platforms on which the requested packages have no solution."""
        return self.channel.unsolvable(requested, self.platforms)

    def limit(self, requested: Iterable[Requested]) -> None:
        """Limit the environment to the platforms that have all requested packages, if there are any."""
        wanted = [one.name for one in requested]
        missing = {p: [name for name in wanted if name not in self.names[p]] for p in self.platforms}
        fit = [platform for platform in self.platforms if not missing[platform]]
        if fit and fit != self.platforms:
            for platform in sorted(set(self.platforms) - set(fit)):
                text = f"not for {platform}: the channel has no {some(missing[platform], SHOWN)} for it"
                self.discovered.note(CHANGED, text)
            self.platforms, self.limited = fit, True
            self.home = self.home if self.home in fit else fit[0]

    def leave_out(self, unsolvable: set[str]) -> set[str]:
        """Drop platforms unless the environment's own is among them; return those that are still unsolvable."""
        if self.home in unsolvable:
            return unsolvable
        self.platforms, self.limited = [p for p in self.platforms if p not in unsolvable], True
        for platform in sorted(unsolvable):
            self.discovered.note(CHANGED, f"not for {platform}: the channel has no solution for it")
        return set()

    def spec(self, requested: Iterable[Requested]) -> str:
        """Return the text of the spec: python first, then by name."""
        lines = sorted({one.spec() for one in requested}, key=lambda line: (not re.match(r"python\b(?!-)", line), line))
        platforms: Sequence[str] = self.platforms if self.limited else ()
        comment = f"Imported from {self.settings.source.name}; edit as you like."
        return translate.spec_text(self.name, self.channel.all, platforms, self.variables, lines, self.pip, (comment,))

    def notes(self, requested: Iterable[Requested]) -> list[Note]:
        """Return the notes on all lines and packages, sorted by place."""
        notes = [*self.discovered.notes, *(note for note in map(describe, requested) if note)]
        return sorted(dict.fromkeys(notes), key=Note.order)


def begin(settings: Settings, discovered: Discovered) -> Draft:
    """Begin an import.

    :raises ImportFailed: if the environment has no name, or no platform in common with the site
    :raises SettingsError: if a variable of the site is wrong
    """
    site = settings.site
    channel = Channel(translate.channels(discovered, site.channels), site)
    name = settings.name or discovered.name
    if settings.python and not re.fullmatch(r"3[.][0-9]{1,2}", settings.python):
        raise ImportFailed(f"python={settings.python[:20]}", "not a series of Python", "write for example python=3.12")
    if not plans.NAME.match(name):
        raise ImportFailed(
            str(settings.source),
            f"{name[:80]!r} is not a valid environment name" if name else "the environment has no usable name",
            "give it a name with -e env=train (a-z, 0-9, '.', '_', '-')",
        )
    ours = sorted(set(site.platforms))
    platforms = [platform for platform in ours if not discovered.platforms or platform in discovered.platforms]
    if not platforms:
        raise ImportFailed(
            discovered.source,
            f"it is for {', '.join(discovered.platforms)}, but lockstep_platforms has {', '.join(site.platforms)}",
            "change lockstep_platforms, or the file's `platforms`",
        )
    return Draft(
        settings,
        discovered,
        name,
        channel,
        platforms,
        limited=bool(discovered.platforms) and platforms != ours,
        home=discovered.platform if discovered.platform in platforms else platforms[0],
        variables=translate.variables(discovered, str(settings.source)),
    )
