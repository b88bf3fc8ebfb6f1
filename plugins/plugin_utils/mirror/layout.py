"""How a mirror is laid out.

<dest>/<channel>/<subdir>/…conda, repodata.json    a channel that conda, micromamba and py-rattler use as it is
<dest>/<host>/<path>/<subdir>/…                    a channel that locks name by its url, to be served as that host
<dest>/miniconda/<installer>   <dest>/rattler/<wheel>   <dest>/simple/<name>/<wheel>, index.html (PEP 503)
<dest>/contents.json           what all of it is; last to be written
<dest>/contents-<tier>.txt     the same for people
<dest>/.lockstep/              half-done downloads and what was verified; nothing that a client asks for
"""

from __future__ import annotations

import re
from typing import Any

from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda import channels as chan

MINICONDA, RATTLER, SIMPLE = "miniconda", "rattler", "simple"
"""Folders beside the channels. A site's variables name them, and the local fleet's channel has the same ones."""

CONTENTS, STATE = "contents.json", ".lockstep"
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def path_of(url: str) -> str:
    """Return where a published url lies in the mirror: below the alias, or below its host's name."""
    if url.startswith(chan.PUBLISHED_ALIAS + "/"):
        return url[len(chan.PUBLISHED_ALIAS) + 1 :]
    scheme, _unused, rest = url.partition("://")
    place = "local" + rest if scheme == "file" else rest.replace(":", "_", 1)
    return "/".join(part.lstrip(".") for part in place.split("/") if part.strip("."))


def channel_folder(channel: str) -> str:
    """Return a channel's folder in the mirror."""
    base = chan.published(channel)
    folder = path_of(base)
    if folder.split("/")[0] in (MINICONDA, RATTLER, SIMPLE):
        raise Problem(f"channel {channel} cannot be mirrored", f"the mirror's folder {folder} has another use")
    return folder


def below(base: str, path: str) -> str:
    """Return the address of a path below an address."""
    return f"{base.rstrip('/')}/{path}"


def safe(path: Any) -> bool:
    """Whether a path stays below the mirror and out of its hidden folder."""
    if not isinstance(path, str) or not path or plans.CONTROL.search(path):
        return False
    return all(part and not part.startswith(".") for part in path.split("/"))
