"""Download the missing files, several at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...module_utils.host.disk_space import human
from ...module_utils.host.errors import Problem
from ..net import wheel_cache
from ..net.errors import AccessRefused, DiskFull, Stopped
from .items import Item
from .mirror import SHOWN, Mirror
from .workers import Progress, for_each


def download(mirror: Mirror, missing: Sequence[Item], sizes: Mapping[str, int]) -> None:
    """Download the missing files. If one fails, the others still arrive, and a later run need not fetch them.

    :param sizes: bytes by path, -1: not known
    :raises Problem: if files failed; names them
    :raises Stopped: if the run must end
    """
    partial = mirror.state / "partial"
    _remove_stale(partial, {mirror.partial(item).name for item in missing})
    if not missing:
        return
    total = sum(max(size, 0) for size in sizes.values())
    mirror.report(f"mirror: fetching {len(missing)} files, {human(total)}")
    progress = Progress(mirror.report, len(missing), total)
    mirror.fetcher.count = progress.add_bytes
    problems: list[Problem] = []

    def fetch(item: Item) -> None:
        try:
            _fetch(mirror, item, progress)
        except Problem as problem:
            problems.append(problem)
            if isinstance(problem, (DiskFull, AccessRefused)):
                mirror.stop.set()

    # the largest first, so that no large one is left for the end
    order = sorted(missing, key=lambda item: (-sizes[item.path], item.path))
    try:
        for_each(mirror, fetch, order, progress, mirror.settings.parallel)
    except Stopped:
        if not problems:
            raise
    if problems:
        raise _combine(problems)
    seconds = time.monotonic() - progress.began
    mirror.report(
        f"mirror: fetched {progress.done} files, {human(progress.arrived)} in {seconds:.0f} s, "
        f"{human(progress.arrived / max(seconds, 0.001))}/s"
    )
    with contextlib.suppress(OSError):
        partial.rmdir()


def _fetch(mirror: Mirror, item: Item, progress: Progress) -> None:
    """Download one file, and remember that it was hashed."""
    partial = mirror.partial(item)
    with contextlib.suppress(OSError):
        progress.bytes += partial.stat().st_size
    source = item.source or _indexed_wheel(item)
    size = mirror.fetcher.fetch(source, item.sha256, partial, mirror.dest / item.path)
    with progress.guard:
        mirror.hashed.add(mirror.dest, item.path, item.sha256, True)
        mirror.outcome.fetched[item.path] = size
    progress.finish_file()


def _combine(problems: Sequence[Problem]) -> Problem:
    """Return the first of several problems, with the messages of the others added."""
    first = problems[0]
    rest = [problem.message for problem in problems[1:SHOWN]]
    return Problem(
        first.message + (f" ({len(problems)} files failed; also: {'; '.join(rest)})" if rest else ""),
        first.cause,
        first.remedy or "run again: what has arrived is kept",
    )


def _indexed_wheel(item: Item) -> str:
    """Fetch a wheel of the rattler runtime with the controller's pip, or take it from the cache; return its path."""
    try:
        return str(wheel_cache.wheel(item.path.rpartition("/")[2], item.sha256))
    except Problem as problem:
        raise Problem(
            problem.message, problem.cause,
            "give the controller a package index (pip config), or set lockstep_mirror_rattler_source",
        ) from None  # fmt: skip


def _remove_stale(folder: Path, wanted: set[str]) -> None:
    """Remove the partial downloads of files that are no longer wanted."""
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            if entry.name not in wanted:
                entry.unlink()
