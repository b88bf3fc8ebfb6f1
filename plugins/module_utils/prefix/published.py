"""Which generation of an environment is published, and what keeps it from being published. Python 3.9, stdlib."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import NamedTuple

from .damage import type_of

_TARGET = re.compile(r"\.\./generations/([^/]+)/([^/.][^/]*)\Z")


class Link(NamedTuple):
    """The link `envs/<env>`: `state` is ok, missing, dangling or foreign; `name` is that of the generation."""

    state: str
    name: str = ""
    target: str = ""


def read_link(root: str, env: str) -> Link:
    """Read the link that publishes an environment; what is no link counts as missing (see `blocked`).

    :raises OSError: where it cannot be read
    """
    try:
        target = os.readlink(os.path.join(root, "envs", env))
    except OSError as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno == errno.EINVAL:  # no link
            return Link("missing")
        raise
    match = _TARGET.match(target)
    if not match or match[1] != env:
        return Link("foreign", "", target)
    there = os.path.lexists(os.path.join(root, "generations", env, match[2]))
    return Link("ok" if there else "dangling", match[2], target)


def blocked(root: str, env: str) -> str:
    """Return what has the place of a folder, link or lock of an environment ("" for nothing): no role removes it.

    `envs` is never a link, since what it publishes is relative to it; nor is the folder of an environment's
    generations, since that may be another environment's. The others may be links to folders.

    :raises OSError: where one cannot be inspected
    """
    own = f"generations/{env}"
    for path in ("envs", "generations", own, "pkgs", "state", "state/checksums", "state/locks", f"state/locks/{env}"):
        full = os.path.join(root, path)
        if os.path.lexists(full) and (not os.path.isdir(full) or (path in ("envs", own) and os.path.islink(full))):
            return f"{path} is a {type_of(os.lstat(full))}, not a folder"
    wanted = ((f"envs/{env}", stat.S_ISLNK, "link"), (f"state/{env}.lock", stat.S_ISREG, "file"),
              ("state/pkgs.lock", stat.S_ISREG, "file"))  # fmt: skip
    for path, right, what in wanted:
        try:
            status = os.lstat(os.path.join(root, path))
        except FileNotFoundError:
            continue
        if not right(status.st_mode):
            return f"{path} is a {type_of(status)}, not a {what}"
    return ""
