"""How large the missing files are, and whether the disk can hold them: known before anything is downloaded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from ...module_utils.host.disk_space import human
from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact
from ..net.errors import Absent
from .mirror import SHOWN, Mirror
from .plan import Item
from .progress import Progress
from .workers import each

UNKNOWN = 64 << 20  # bytes: of a file whose server does not tell its size
SPARE = 4 << 20  # bytes: for the indexes
ASKING = 8  # questions for sizes at once: they are small


def sizes_of(mirror: Mirror, missing: Sequence[Item]) -> dict[str, int]:
    """Return how large the missing files are (-1: not known), asked of the source before anything is downloaded.

    So a full disk, and all files that the source does not have, are known at once.

    :raises Problem: naming what the source does not have
    """
    sizes: dict[str, int] = {}
    absent: list[str] = []
    ask = []
    for item in missing:
        if item.path in mirror.known or not item.source:
            sizes[item.path] = mirror.known.get(item.path, -1)
        else:
            ask.append(item)
    if ask:
        mirror.say(f"mirror: asking for the sizes of {len(ask)} files")

        def one(item: Item) -> None:
            try:
                sizes[item.path] = mirror.fetcher.size(item.source)
            except Absent as problem:
                absent.append(f"{redact(item.source)} ({problem.cause})")

        each(mirror, one, ask, Progress(lambda text: None, len(ask), 0), ASKING)
    if absent:
        raise Problem(
            f"the source does not have {len(absent)} of {len(mirror.want.items)} files: "
            + ", ".join(sorted(absent)[:SHOWN]) + (" and more" if len(absent) > SHOWN else ""),
            "nothing was downloaded",
            "if the channel withdrew a package, lock again; else correct the source (lockstep_mirror_source, "
            "lockstep_mirror_miniconda_source, lockstep_mirror_rattler_source)",
        )  # fmt: skip
    return sizes


def need_room(mirror: Mirror, missing: Sequence[Item], sizes: Mapping[str, int]) -> None:
    """Refuse what the disk cannot hold.

    :raises Problem: where there is not enough
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
