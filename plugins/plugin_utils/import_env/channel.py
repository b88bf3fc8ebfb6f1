"""Query the channels that a site allows, with its system requirements and its cut-off date."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..conda import channels as chan
from ..conda.locked_package import LockError, Package
from ..lock.settings import Settings as Site
from ..lock.settings import check
from ..solve.conda_solver import Question, Solver, Unsolvable
from .discovered import Requested


class Channel:
    """The site's channels, by priority. All queries raise ChannelUnreadable if metadata cannot be read.

    All queries run in one event loop, since a solver works only in its first one; `close` ends it.
    """

    def __init__(self, names: Sequence[str], site: Site) -> None:
        """Check the site's settings; raises SettingsError."""
        self.all = tuple(names)
        self._requirements, self._cutoff = check(site)
        self._solver = Solver(site.repodata_alias, site.cache)
        self._loop = asyncio.Runner()

    def __str__(self) -> str:
        return ", ".join(self.all)

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

    def holds(self, url: str) -> bool:
        """Return whether a package's url belongs to one of these channels."""
        aliases = (chan.PUBLISHED_ALIAS, self._solver.alias)
        return url.rsplit("/", 2)[0] in {chan.base_url(name, alias) for name in self.all for alias in aliases}

    def _question(self, platform: str) -> Question:
        virtual = self._requirements.virtual_packages(platform)
        constraints = self._requirements.constraints(platform)
        return Question(platform, (), self.all, tuple(virtual), tuple(constraints), self._cutoff)

    def names(self, platform: str) -> set[str]:
        """Return the names of all packages for a platform."""
        return set().union(*self._loop.run(self._solver.names(self._question(platform))).values())

    def records(self, platform: str, specs: Iterable[str]) -> list[Any]:
        """Return the records that fit any of some match specs."""
        return self._loop.run(self._solver.records(self._question(platform), specs))

    def packages(self, platform: str, records: Iterable[Any]) -> list[Package]:
        """Return records as packages of a lock, without those that no lock may hold."""
        packages: list[Package] = []
        question = self._question(platform)
        for record in records:
            try:
                packages += [p for p in self._solver.packages(question, [record]) if not p.problems()]
            except LockError:
                continue
        return packages

    def unsolvable(self, requested: Iterable[Requested], platforms: Sequence[str]) -> set[str]:
        """Return the platforms on which the requested packages have no solution."""
        specs = tuple(one.spec() for one in requested)

        async def solvable(platform: str) -> bool:
            try:
                await self._solver.solve(replace(self._question(platform), dependencies=specs))
            except Unsolvable:
                return False
            return True

        async def ask() -> list[bool]:
            return list(await asyncio.gather(*(solvable(platform) for platform in platforms)))

        return {platform for platform, good in zip(platforms, self._loop.run(ask()), strict=True) if not good}
