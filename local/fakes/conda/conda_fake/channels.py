# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH100, PTH111
"""Channel names and addresses: which address a name stands for, which name an address has, which are allowed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import Failure
from .settings import Settings

_LINUX = ("32", "64", "aarch64", "armv6l", "armv7l", "ppc64", "ppc64le", "riscv64", "s390x")
_OTHERS = ("osx-64", "osx-arm64", "win-32", "win-64", "win-arm64", "freebsd-64", "zos-z")
PLATFORMS = frozenset(["noarch", *(f"linux-{m}" for m in _LINUX), *_OTHERS, "emscripten-wasm32", "wasi-wasm32"])


@dataclass(frozen=True)
class Channel:
    """A channel: `base` is its address without platform, `name` what people call it, `canonical` what records say."""

    base: str
    name: str
    canonical: str


def parts(address: str, alias: str, name: str = "") -> dict[str, str | None]:
    """An address as conda's JSON shows a channel of the configuration.

    :param alias: the channel alias: what stands below it is the channel's name
    :param name: the name, where the configuration gives it apart from the address
    """
    split = urlsplit(address)
    location, shown = split.netloc + split.path.rstrip("/"), name
    alias_location = urlsplit(alias).netloc + urlsplit(alias).path.rstrip("/")
    if not name and address != alias:
        below = location.startswith(alias_location)
        shown = location[len(alias_location) :].strip("/") if below else split.path.strip("/")
        location = alias_location if below else split.netloc
    known: dict[str, str | None] = {"scheme": split.scheme, "location": location, "name": shown}
    return {**known, "auth": None, "token": None, "platform": None, "package_filename": None}


def _without_platform(text: str) -> str:
    parts = text.rstrip("/").split("/")
    while parts and (parts[-1] in PLATFORMS or parts[-1].endswith((".conda", ".tar.bz2"))):
        parts.pop()
    return "/".join(parts)


def _known(settings: Settings) -> dict[str, str]:
    """Addresses of the channels that the configuration names itself, by name."""
    known = {}
    for value in settings.get("default_channels"):
        base = _base(str(value), settings)
        known[urlsplit(base).path.strip("/")] = base
    for name, location in settings.get("custom_channels").items():
        known[str(name)] = f"{str(location).rstrip('/')}/{name}"
    return known


def _base(value: str, settings: Settings) -> str:
    if "://" in value:
        return _without_platform(value)
    if value.startswith(("/", "~", "./", "../")) or value in (".", ".."):
        return Path(os.path.abspath(os.path.expanduser(value))).as_uri()
    return f"{settings.get('channel_alias').rstrip('/')}/{_without_platform(value).strip('/')}"


def resolve(value: str, settings: Settings) -> list[Channel]:
    """The channel or channels that a name, an address or a path stands for.

    :param value: as in `.condarc` or behind `-c`
    :returns: one, or more for `defaults` and other groups
    """
    groups = {"defaults": settings.get("default_channels"), **settings.get("custom_multichannels")}
    if value in groups:
        members = [resolve(str(member), settings)[0] for member in groups[value]]
        return [Channel(member.base, member.name, value) for member in members]
    known = _known(settings)
    if "://" not in value and _without_platform(value) in known:
        name = _without_platform(value)
        base = known[name]
    else:
        base = _base(value, settings)
        name = ""
    alias = settings.get("channel_alias").rstrip("/")
    default_names = {urlsplit(_base(str(v), settings)).path.strip("/") for v in groups["defaults"]}
    for known_name, known_base in known.items():
        if base == known_base or base.startswith(known_base + "/"):
            name = known_name + base[len(known_base) :]
            return [Channel(base, name, "defaults" if known_name in default_names else name)]
    if base.startswith(alias + "/"):
        name = unquote(base[len(alias) + 1 :])
        return [Channel(base, name, name)]
    split = urlsplit(base)
    if split.scheme == "file":
        return [Channel(base, unquote(split.path.rsplit("/", 1)[-1]), base)]
    return [Channel(base, unquote(split.path.strip("/")), base)]


def allowed(names: list[str], settings: Settings) -> list[str]:
    """The same names without duplicates, if the configuration allows each.

    :raises Failure: `ChannelNotAllowed`, `ChannelDenied`
    """
    allow = {c.base for name in settings.get("allowlist_channels") for c in resolve(name, settings)}
    deny = {c.base for name in settings.get("denylist_channels") for c in resolve(name, settings)}
    for name in names:
        for channel in resolve(name, settings):
            refused = "ChannelDenied" if channel.base in deny else ""
            if not refused and allow and channel.base not in allow:
                refused = "ChannelNotAllowed"
            if refused:
                why = "included in denylist" if refused == "ChannelDenied" else "not included in allowlist"
                raise Failure(
                    refused,
                    f"Channel {why}:\n  channel name: {channel.name}\n  channel url: {channel.base}\n",
                    channel_name=channel.name,
                    channel_url=channel.base,
                )
    return list(dict.fromkeys(names))


def configured(settings: Settings, given: list[str], override: bool = False) -> list[str]:
    """The channels that a solve may use, first wins.

    Options come first: `#!final` in a `.condarc` does not stop `-c`, only `allowlist_channels` does.

    :param given: of `-c`
    :param override: `--override-channels`: use only those
    :raises Failure: `OperationNotAllowed`, `ChannelNotAllowed`, `ArgumentError`
    """
    if override:
        if not settings.get("override_channels_enabled"):
            raise Failure("OperationNotAllowed", "Overriding channels has been disabled.")
        if not given:
            message = "At least one -c / --channel flag must be supplied when using --override-channels."
            raise Failure("ArgumentError", message, code=2)
        return allowed(given, settings)
    return allowed([*allowed(given, settings), *allowed(settings.get("channels"), settings)], settings)
