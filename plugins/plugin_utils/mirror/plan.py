"""What a mirror should hold: the locks that were read, and the files that they need."""

from __future__ import annotations

from dataclasses import dataclass

from ..conda.lockfile import Lock


@dataclass(frozen=True)
class Item:
    """One file of the mirror: where it lies, what it must be, where it comes from and what needs it.

    `depends` is what the lock says, which for conda-forge includes repairs made after the archive was built. `source`
    may hold a token and is never written or shown; `url` is the published address, which a lock vouches for ("" for
    what no lock names). `uses`: `<tier>/<env>/<platform>`, with `(previous)` behind it for a tier's former lock.
    """

    path: str
    sha256: str
    kind: str
    name: str
    version: str
    source: str
    url: str = ""
    build: str = ""
    md5: str = ""
    depends: tuple[tuple[str, str], ...] = ()
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """One lock of a tier, read."""

    tier: str
    env: str
    path: str
    previous: bool
    sha256: str
    lock: Lock

    def use(self, platform: str) -> str:
        """What a file is needed for."""
        return f"{self.tier}/{self.env}/{platform}" + (" (previous)" if self.previous else "")


@dataclass
class Wanted:
    """All that a mirror should hold, by path, and what a person should know about it."""

    items: dict[str, Item]
    locks: list[Declared]
    platforms: tuple[str, ...]
    subdirs: tuple[tuple[str, str], ...]  # (channel's folder, subdir)
    notes: list[str]

    @property
    def tiers(self) -> list[str]:
        """The locks' tiers, in the site's order."""
        return list(dict.fromkeys(one.tier for one in self.locks))
