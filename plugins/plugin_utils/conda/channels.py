"""Channels: their names, their published addresses, and where a site fetches them from.

A lock names a channel the way conda does and carries its published urls, so that it means the same everywhere. Where
packages or metadata really come from (a mirror, a folder) is a site's own affair: its channel alias takes the place of
the published one.
"""

from __future__ import annotations

import re

PUBLISHED_ALIAS = "https://conda.anaconda.org"
"""What conda puts in front of a channel that is only a name."""

RESERVED = {
    "defaults": "it stands for Anaconda's own channels, whose terms of service need not fit yours",
    "nodefaults": "it was only ever a word to keep defaults away, and newer conda asks servers for it",
    "local": "it is a build folder of one machine",
}
"""Words that look like a channel's name, and why they are not one."""

_NAME = re.compile(r"(?!.*[.]{2})[A-Za-z0-9][A-Za-z0-9._-]*(/label/[A-Za-z0-9][A-Za-z0-9._-]*)?\Z")
_URL = re.compile(r"(https?|file)://[^\s@#?%\\]+\Z")


class ChannelError(ValueError):
    """Something that is not a channel."""


def published(channel: str) -> str:
    """Return the published base url of a channel given by name or url, without a slash at its end; raises ChannelError.

    The urls of the alias belong to the name: `https://conda.anaconda.org/conda-forge/` is `conda-forge`.
    """
    if channel in RESERVED:
        raise ChannelError(f"{channel} is no channel of its own: {RESERVED[channel]}")
    if _NAME.match(channel):
        return f"{PUBLISHED_ALIAS}/{channel}"
    if "@" in channel or "/t/" in channel:
        raise ChannelError("the channel's url holds credentials or a token, which must not get into a lock")
    if _URL.match(channel) and "/../" not in channel + "/" and "/./" not in channel + "/":
        return channel.rstrip("/")
    raise ChannelError(f"{channel[:80]!r} is neither a channel's name nor a url")


def short_name(channel: str) -> str:
    """Return the name if the channel is one of the alias, else its url; raises ChannelError."""
    return published(channel).removeprefix(PUBLISHED_ALIAS + "/")


def base_url(channel: str, alias: str = PUBLISHED_ALIAS) -> str:
    """Return the address of a channel at a site whose channel alias is `alias`; a channel given by url keeps its
    own.
    """
    return rewrite(published(channel), alias)


def rewrite(url: str, alias: str) -> str:
    """Return a published url as a site with another channel alias fetches it; urls outside the published alias stay."""
    if url.startswith(PUBLISHED_ALIAS + "/"):
        return alias.rstrip("/") + url[len(PUBLISHED_ALIAS) :]
    return url
