"""Find out the sizes of the missing files, and require that the disk can hold them, before any download."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from ...module_utils.host.disk_space import human
from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact
from ..net.errors import NotFound
from .items import Item
from .mirror import SHOWN, Mirror
from .workers import Progress, for_each

UNKNOWN = 64 << 20  # bytes, assumed for a file whose server does not send its size
SPARE = 4 << 20  # bytes, for the indexes
REQUESTS = 8  # requests for sizes at once: they are small


def sizes_of(mirror: Mirror, missing: Sequence[Item]) -> dict[str, int]:
    """Ask the source for the sizes of the missing files; return bytes by path (-1: not known).

    So a full disk, and all files that the source does not have, are reported at once.

    :raises Problem: if the source does not have all files; names them
    """
    sizes: dict[str, int] = {}
    lacking: list[str] = []
    unknown = []
    for item in missing:
        if item.path in mirror.known or not item.source:
            sizes[item.path] = mirror.known.get(item.path, -1)
        else:
            unknown.append(item)
    if unknown:
        mirror.report(f"mirror: asking for the sizes of {len(unknown)} files")

        def ask(item: Item) -> None:
            try:
                sizes[item.path] = mirror.fetcher.size(item.source)
            except NotFound as problem:
                lacking.append(f"{redact(item.source)} ({problem.cause})")

        for_each(mirror, ask, unknown, Progress(lambda text: None, len(unknown), 0), REQUESTS)
    if lacking:
        raise Problem(
            f"the source does not have {len(lacking)} of {len(mirror.want.items)} files: "
            + ", ".join(sorted(lacking)[:SHOWN]) + (" and more" if len(lacking) > SHOWN else ""),
            "nothing was downloaded",
            "if the channel withdrew a package, lock again; otherwise correct the source (lockstep_mirror_source, "
            "lockstep_mirror_miniconda_source, lockstep_mirror_rattler_source)",
        )  # fmt: skip
    return sizes


def require_space(mirror: Mirror, missing: Sequence[Item], sizes: Mapping[str, int]) -> None:
    """Require that the disk can hold the missing files.

    :param sizes: bytes by path, -1: not known
    :raises Problem: if there is not enough space
    """
    needed = 0
    for item in missing:
        size = sizes[item.path] if sizes[item.path] >= 0 else UNKNOWN
        with contextlib.suppress(OSError):
            size -= min(size, mirror.partial(item).stat().st_size)
        needed += size
    place = next(folder for folder in (mirror.dest, *mirror.dest.absolute().parents) if folder.is_dir())
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    if missing and free < needed + SPARE:
        raise Problem(
            f"no room for {len(missing)} files: {human(needed)} needed, {human(free)} free in {place}",
            "nothing was downloaded",
            "give the mirror a larger disk, choose fewer tiers or platforms, or prune (-e prune=true)",
        )
