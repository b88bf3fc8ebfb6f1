"""Solve for one platform with py-rattler: strict channel priority, declared system requirements as virtual packages.

Metadata comes from the channels, or from a copy of them.
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

from ...module_utils.host.redaction import redact
from ..conda import channels as chan
from ..conda.locked_package import LockError, Package, merge_depends
from ..core.errors import ControllerError

TIMEOUT = dt.timedelta(minutes=10)


class Unsolvable(Exception):
    """No set of packages satisfies a question; the text is the solver's."""


class ChannelUnreadable(ControllerError):
    """A channel's metadata cannot be read."""


@dataclass(frozen=True)
class Question:
    """What to solve for one environment on one platform. All values are text, so that a relaxed copy is easily made.

    `virtual_packages` are (name, version, build); `constraints` are match specs that hold for packages if installed.
    """

    platform: str
    dependencies: tuple[str, ...]
    channels: tuple[str, ...]
    virtual_packages: tuple[tuple[str, str, str], ...]
    constraints: tuple[str, ...] = ()
    exclude_newer: dt.datetime | None = None


class Solver:
    """Solve with one set of channels; metadata is read once and shared by all environments and platforms."""

    def __init__(self, repodata_alias: str = chan.PUBLISHED_ALIAS, cache: Path | None = None) -> None:
        self.alias = folder_url(repodata_alias)
        client = Client([AuthenticationMiddleware()])  # the default one reads no netrc and no RATTLER_AUTH_FILE
        self.gateway = Gateway(cache_dir=str(cache), client=client) if cache else Gateway(client=client)
        self._turns = asyncio.Semaphore(os.cpu_count() or 2)  # each solve holds its own copy of a channel's records

    def sources(self, question: Question) -> list[str]:
        """Return the urls that metadata is read from, one for each channel of the question."""
        return [chan.base_url(channel, self.alias) for channel in question.channels]

    def _requested(self, question: Question) -> list[Any]:
        """Return the match specs to solve for.

        For `alpha 9.*`, py-rattler reads only the matching records, and takes them from a later channel although the
        first one has alpha too. The bare name as a second spec makes strict priority hold.
        """
        requested = [MatchSpec(text, strict=False) for text in question.dependencies]
        if len(question.channels) > 1:
            names = {spec.name.normalized for spec in requested if spec.name is not None and spec.channel is None}
            requested += [MatchSpec(name) for name in sorted(names)]
        return requested

    async def solve(self, question: Question, locked: Sequence[Any] = ()) -> list[Any]:
        """Return the records of the solution.

        :param locked: records that the solution should keep if it can
        :raises Unsolvable: if there is no solution
        :raises ChannelUnreadable: if a channel's metadata cannot be read
        """
        try:
            async with self._turns:
                return list(
                    await solve(
                        self.sources(question),
                        self._requested(question),
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
        except Exception as error:  # py-rattler's exceptions have no public module, so the name distinguishes them
            if type(error).__name__ == "SolverError":
                raise Unsolvable(str(error)) from None
            raise self._unreadable(question, error) from None

    async def names(self, question: Question) -> dict[str, set[str]]:
        """Return by channel the package names that it offers for the platform.

        :raises ChannelUnreadable: if a channel offers none
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
                    f"channel {channel}",
                    f"there is no metadata for {question.platform} or noarch at {redact(source)}",
                    _SOURCES,
                )
        return found

    async def records(self, question: Question, specs: Iterable[str], platforms: Sequence[str] = ()) -> list[Any]:
        """Return all records that match one of `specs`, without their dependencies; raises ChannelUnreadable."""
        requested = [MatchSpec(text, strict=False) for text in specs]
        if not requested:
            return []
        try:
            found = await self.gateway.query(
                self.sources(question),
                list(platforms) or [question.platform, "noarch"],
                requested,
                recursive=False,
                channel_relations="disabled",
            )
        except Exception as error:
            raise self._unreadable(question, error) from None
        return [record for of_source in found for record in of_source]

    async def still_there(
        self, question: Question, packages: Sequence[Package], pinned: Mapping[str, str]
    ) -> tuple[list[Any], list[Package]]:
        """Return the channels' records of locked packages, and the packages that no channel has any more.

        Records made from a lock lack what a lock does not hold (`constrains`, for example), and the solver would break
        rules with them. The solver also keeps a locked record from any channel. So only records are returned that
        strict priority allows: from the first channel that has the name, or from the one in `pinned`.

        :param pinned: by package name, the channel that the spec requests for it
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
            first = pinned.get(name) or next((one for one in question.channels if name in offers[one]), "")
            if str(record.url).startswith(f"{bases.get(first)}/"):
                by_hash[digest] = record
        kept = [by_hash[p.sha256] for p in packages if p.sha256 in by_hash]
        return kept, [p for p in packages if p.sha256 not in everywhere]

    def packages(self, question: Question, records: Iterable[Any]) -> list[Package]:
        """Return solved records as packages of a lock, with their published urls; raises LockError."""
        published = {
            source: chan.published(channel)
            for channel, source in zip(question.channels, self.sources(question), strict=True)
        }
        return [_package(record, question.platform, published) for record in records]

    def _unreadable(self, question: Question, error: Exception) -> ChannelUnreadable:
        reason = (
            "; ".join(line.removeprefix("Caused by: ") for line in str(error).splitlines()[:4]) or type(error).__name__
        )
        return ChannelUnreadable(
            f"metadata for {question.platform} of {', '.join(question.channels)} cannot be read",
            redact(reason)[:400],
            _SOURCES,
        )


_SOURCES = (
    "check lockstep_repodata_alias (default: lockstep_channel_alias), a url or a folder with "
    "<channel>/<platform>/repodata.json, and HTTPS_PROXY"
)


def _package(record: Any, platform: str, published: dict[str, str]) -> Package:
    name, url = record.name.normalized, str(record.url)
    base = url.rsplit("/", 2)[0]
    if base not in published:
        raise LockError(name, f"{redact(url)} is not in the channel that its metadata came from")
    if not record.sha256 or not record.md5:  # CEP 37 requires md5, Lockstep sha256
        raise LockError(f"{name} {record.version}", "the channel lacks its md5 or sha256", "index the channel again")
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
    """Return the url of an alias that may be the path of a folder."""
    if "://" in alias:
        return alias.rstrip("/")
    return Path(alias).expanduser().resolve().as_uri()


def parse_exclude_newer(value: Any) -> dt.datetime | None:
    """Read `lockstep_exclude_newer`, a date (its first moment) or a time (UTC if it names no zone), as a time in UTC.

    The conversion is done here, since py-rattler would only relabel the time.

    :raises ControllerError: if it is neither
    """
    if value in (None, ""):
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ControllerError(
            "lockstep_exclude_newer",
            f"{str(value)[:60]!r} is not a date",
            "write for example 2026-08-01 or 2026-08-01T12:00:00Z",
        ) from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
