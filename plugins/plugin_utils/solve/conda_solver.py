"""Solve for a platform with py-rattler: strict channel priority, system requirements instead of this machine, from a
channel or a
copy of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # ansible_support.require() says what to install
    from rattler import (
        BuildString,
        ChannelPriority,
        Gateway,
        GenericVirtualPackage,
        MatchSpec,
        PackageName,
        Version,
        solve,
    )
    from rattler.networking import AuthenticationMiddleware, Client

from ...module_utils.host import install_plan as plans
from ..conda import channels as chan
from ..conda.locked_package import LockError, Package, merge_depends

TIMEOUT = dt.timedelta(minutes=10)


class Unsolvable(Exception):
    """There is no solution; the text is the solver's."""


class ChannelUnreadable(Exception):
    """A channel's metadata could not be had; the text says of which and why, and what to do."""


@dataclass(frozen=True)
class Question:
    """What the solver is asked for one environment on one platform; all text, so that it can be relaxed and asked
    again.
    """

    platform: str
    dependencies: tuple[str, ...]
    channels: tuple[str, ...]
    virtual_packages: tuple[tuple[str, str, str], ...]
    constraints: tuple[str, ...] = ()
    exclude_newer: dt.datetime | None = None


class Solver:
    """Asks one set of channels; metadata is read once and shared by all environments and platforms."""

    def __init__(self, repodata_alias: str = chan.PUBLISHED_ALIAS, cache: Path | None = None) -> None:
        self.alias = folder_url(repodata_alias)
        client = Client([AuthenticationMiddleware()])  # the default one reads no netrc and no RATTLER_AUTH_FILE
        self.gateway = Gateway(cache_dir=str(cache), client=client) if cache else Gateway(client=client)
        self._turns = asyncio.Semaphore(os.cpu_count() or 2)  # each solve holds a channel's records of its own

    def sources(self, question: Question) -> list[str]:
        """Return the addresses that metadata is read from."""
        return [chan.base_url(channel, self.alias) for channel in question.channels]

    def _wishes(self, question: Question) -> list[Any]:
        """Return what to solve for. Asked for `alpha 9.*`, py-rattler reads just those records, and takes them from a
        later channel although the first one has alpha too: the bare name beside it makes strict priority hold.
        """
        wishes = [MatchSpec(text, strict=False) for text in question.dependencies]
        if len(question.channels) > 1:
            names = sorted({wish.name.normalized for wish in wishes if wish.name is not None and wish.channel is None})
            wishes += [MatchSpec(name) for name in names]
        return wishes

    async def solve(self, question: Question, locked: Sequence[Any] = ()) -> list[Any]:
        """Return the records of the solution; `locked` ones stay if they can. Raises Unsolvable or
        ChannelUnreadable.
        """
        try:
            async with self._turns:
                return list(
                    await solve(
                        self.sources(question),
                        self._wishes(question),
                        gateway=self.gateway,
                        platforms=[question.platform, "noarch"],
                        locked_packages=list(locked),
                        virtual_packages=[
                            GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
                            for name, version, build in question.virtual_packages
                        ],
                        constraints=[MatchSpec(text, strict=False) for text in question.constraints],
                        exclude_newer=question.exclude_newer,
                        channel_priority=ChannelPriority.Strict,
                        channel_relations="disabled",  # only the given channels, whatever their metadata points to
                        timeout=TIMEOUT,
                    )
                )
        except Exception as error:  # py-rattler's exceptions have no public module; told apart by name
            if type(error).__name__ == "SolverError":
                raise Unsolvable(str(error)) from None
            raise self._unreadable(question, error) from None

    async def names(self, question: Question) -> dict[str, set[str]]:
        """Return the package names that each channel offers for the platform; raises ChannelUnreadable if one has
        none.
        """
        found = {}
        for channel, source in zip(question.channels, self.sources(question), strict=True):
            try:
                result = await self.gateway.names([source], [question.platform, "noarch"], channel_relations="disabled")
            except Exception as error:
                raise self._unreadable(question, error) from None
            found[channel] = {name if isinstance(name, str) else name.normalized for name in result}
            if not found[channel]:
                raise ChannelUnreadable(
                    f"channel {channel}: there is no metadata for {question.platform} or noarch at "
                    f"{plans.redact(source)}; {_SOURCES}"
                )
        return found

    async def records(self, question: Question, specs: Iterable[str], platforms: Sequence[str] = ()) -> list[Any]:
        """Return all records that match one of `specs`, without their dependencies."""
        wanted = [MatchSpec(text, strict=False) for text in specs]
        if not wanted:
            return []
        try:
            found = await self.gateway.query(
                self.sources(question),
                list(platforms) or [question.platform, "noarch"],
                wanted,
                recursive=False,
                channel_relations="disabled",
            )
        except Exception as error:
            raise self._unreadable(question, error) from None
        return [record for of_source in found for record in of_source]

    async def still_there(
        self, question: Question, packages: Sequence[Package], wanted: Mapping[str, str]
    ) -> tuple[list[Any], list[Package]]:
        """Return the channel's full records of locked packages, and those packages that it no longer has.

        Records made from a lock lack what a lock does not hold (constrains, say), and the solver would break rules with
        them. It also keeps a locked record whatever its channel, so only those are returned that strict priority would
        choose from: the first channel with the name, or the one that `wanted` has for it.
        """
        specs = [f"{p.name}=={p.version}={p.build}" for p in packages]
        offers = await self.names(question)
        bases = dict(zip(question.channels, self.sources(question), strict=True))
        by_hash: dict[str, Any] = {}
        everywhere: set[str] = set()
        for record in await self.records(question, specs):
            if not record.sha256:
                continue
            name, digest = record.name.normalized, record.sha256.hex()
            everywhere.add(digest)
            first = wanted.get(name) or next((one for one in question.channels if name in offers[one]), "")
            if str(record.url).startswith(f"{bases.get(first)}/"):
                by_hash[digest] = record
        kept = [by_hash[p.sha256] for p in packages if p.sha256 in by_hash]
        return kept, [p for p in packages if p.sha256 not in everywhere]

    def packages(self, question: Question, records: Iterable[Any]) -> list[Package]:
        """Return solved records as packages of a lock, their urls the published ones; raises LockError."""
        published = {
            self_url: chan.published(channel)
            for channel, self_url in zip(question.channels, self.sources(question), strict=True)
        }
        return [_package(record, question.platform, published) for record in records]

    def _unreadable(self, question: Question, error: Exception) -> ChannelUnreadable:
        reason = (
            "; ".join(line.removeprefix("Caused by: ") for line in str(error).splitlines()[:4]) or type(error).__name__
        )
        return ChannelUnreadable(
            f"metadata for {question.platform} of {', '.join(question.channels)} cannot be read: "
            f"{plans.redact(reason)[:400]}; {_SOURCES}"
        )


_SOURCES = (
    "metadata comes from lockstep_repodata_alias (else lockstep_channel_alias), an address or a folder with "
    "<channel>/<platform>/repodata.json; a proxy is taken from HTTPS_PROXY"
)


def _package(record: Any, platform: str, published: dict[str, str]) -> Package:
    name, url = record.name.normalized, str(record.url)
    base = url.rsplit("/", 2)[0]
    if base not in published:
        raise LockError(f"{name}: {plans.redact(url)} is not in the channel that its metadata came from")
    if not record.sha256 or not record.md5:  # readers of the format insist on md5, we on sha256
        raise LockError(
            f"{name} {record.version}: the channel does not give both md5 and sha256; have it indexed again"
        )
    return Package(
        "conda",
        name,
        platform,
        str(record.version),
        str(record.build),
        published[base] + url[len(base) :],
        record.md5.hex(),
        record.sha256.hex(),
        merge_depends(record.depends),
    )


def folder_url(alias: str) -> str:
    """Return an address for an alias that may be a folder's path."""
    if "://" in alias:
        return alias.rstrip("/")
    return Path(alias).expanduser().resolve().as_uri()


def parse_exclude_newer(value: Any) -> dt.datetime | None:
    """Read `lockstep_exclude_newer`, a date or a time (UTC if it names no zone); raises ValueError.

    A date means its first moment. The time is converted to UTC here, since py-rattler would only relabel it.
    """
    if value in (None, ""):
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value).strip())
    except ValueError:
        example = "2026-08-01 or 2026-08-01T12:00:00Z"
        raise ValueError(f"lockstep_exclude_newer: {str(value)[:60]!r} is no date; write e.g. {example}") from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
