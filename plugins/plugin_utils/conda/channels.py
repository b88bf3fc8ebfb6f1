"""Translate channels: names, published urls, and the urls that a site fetches from.

A lock names channels as conda does and holds published urls, so that it means the same everywhere. Each site chooses
where packages and metadata come from (a mirror, a folder): its channel alias replaces the published one.
"""

from __future__ import annotations

import re

from ..core.errors import ControllerError

PUBLISHED_ALIAS = "https://conda.anaconda.org"
"""The url that conda puts before the name of a channel."""

RESERVED = {
    "defaults": "it stands for Anaconda's own channels, whose terms of service need not fit yours",
    "nodefaults": "it was only a marker to exclude defaults, and newer conda requests it from servers",
    "local": "it is a build folder of one machine",
}
"""Words that look like channel names, and why each is refused."""

_NAME = re.compile(r"(?!.*[.]{2})[A-Za-z0-9][A-Za-z0-9._-]*(/label/[A-Za-z0-9][A-Za-z0-9._-]*)?\Z")
_URL = re.compile(r"(https?|file)://[^\s@#?%\\]+\Z")


class ChannelError(ControllerError):
    """A channel that is not valid."""


def published(channel: str) -> str:
    """Return the published base url of a channel given by name or url, without a trailing slash.

    A url below the published alias is that of the name: `https://conda.anaconda.org/conda-forge/` is `conda-forge`.

    :raises ChannelError: if it is not a valid channel, or holds credentials
    """
    if channel in RESERVED:
        raise ChannelError(f"{channel} is not a channel", RESERVED[channel])
    if _NAME.match(channel):
        return f"{PUBLISHED_ALIAS}/{channel}"
    if "@" in channel or "/t/" in channel:
        raise ChannelError("the channel's url holds credentials or a token, which must not get into a lock")
    if _URL.match(channel) and "/../" not in channel + "/" and "/./" not in channel + "/":
        return channel.rstrip("/")
    raise ChannelError(f"{channel[:80]!r} is neither a channel's name nor a url")


def short_name(channel: str) -> str:
    """Return the name of a channel below the published alias, else its url; raises ChannelError."""
    return published(channel).removeprefix(PUBLISHED_ALIAS + "/")


def base_url(channel: str, alias: str = PUBLISHED_ALIAS) -> str:
    """Return the url that a site with the channel alias `alias` fetches a channel from; a channel given by url keeps
    its own. Raises ChannelError.
    """
    return rewrite(published(channel), alias)


def rewrite(url: str, alias: str) -> str:
    """Replace the published alias of a url by a site's; other urls stay as they are."""
    if url.startswith(PUBLISHED_ALIAS + "/"):
        return alias.rstrip("/") + url[len(PUBLISHED_ALIAS) :]
    return url
