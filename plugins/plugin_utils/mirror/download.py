"""Bring the missing files, several at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...module_utils.host.disk_space import human
from ...module_utils.host.errors import Problem
from ..net import wheel_cache
from ..net.errors import Full, Refused, Stopped
from .mirror import SHOWN, Mirror
from .plan import Item
from .progress import Progress
from .workers import each


def download(mirror: Mirror, missing: Sequence[Item], sizes: Mapping[str, int]) -> None:
    """Fetch, several at once. One failure does not keep the others from arriving: they are then there.

    :param sizes: bytes by path, -1: not known
    :raises Problem: naming all that could not be had
    :raises Stopped: where the run is to end
    """
    partial = mirror.state / "partial"
    _sweep(partial, {mirror.partial(item).name for item in missing})
    if not missing:
        return
    total = sum(max(size, 0) for size in sizes.values())
    mirror.say(f"mirror: fetching {len(missing)} files, {human(total)}")
    progress = Progress(mirror.say, len(missing), total)
    mirror.fetcher.say = progress.arrive
    problems: list[Problem] = []

    def one(item: Item) -> None:
        try:
            _bring(mirror, item, progress)
        except Problem as problem:
            problems.append(problem)
            if isinstance(problem, (Full, Refused)):
                mirror.stop.set()

    # the largest first: else the last one keeps everybody waiting
    order = sorted(missing, key=lambda item: (-sizes[item.path], item.path))
    try:
        each(mirror, one, order, progress, mirror.settings.parallel)
    except Stopped:
        if not problems:
            raise
    if problems:
        raise _all_of(problems)
    seconds = time.monotonic() - progress.began
    mirror.say(
        f"mirror: fetched {progress.done} files, {human(progress.arrived)} in {seconds:.0f} s, "
        f"{human(progress.arrived / max(seconds, 0.001))}/s"
    )
    with contextlib.suppress(OSError):
        partial.rmdir()


def _bring(mirror: Mirror, item: Item, progress: Progress) -> None:
    """Bring one file, and remember that it was hashed."""
    partial = mirror.partial(item)
    with contextlib.suppress(OSError):
        progress.bytes += partial.stat().st_size
    source = item.source or _indexed_wheel(item)
    size = mirror.fetcher.fetch(source, item.sha256, partial, mirror.dest / item.path)
    with progress.guard:
        mirror.seen.add(mirror.dest, item.path, item.sha256, True)
        mirror.outcome.fetched[item.path] = size
    progress.finish()


def _all_of(problems: Sequence[Problem]) -> Problem:
    """Return the first of several problems, with the others' messages."""
    first = problems[0]
    rest = [problem.message for problem in problems[1:SHOWN]]
    return Problem(
        first.message + (f" ({len(problems)} files failed; also: {'; '.join(rest)})" if rest else ""),
        first.cause,
        first.remedy or "run again: what has arrived is kept",
    )


def _indexed_wheel(item: Item) -> str:
    """Return where a rattler runtime's wheel lies that the controller's own pip fetched (or had fetched before)."""
    try:
        return str(wheel_cache.wheel(item.path.rpartition("/")[2], item.sha256))
    except Problem as problem:
        raise Problem(
            problem.message, problem.cause,
            "give the controller a package index (pip config), or set lockstep_mirror_rattler_source",
        ) from None  # fmt: skip


def _sweep(folder: Path, wanted: set[str]) -> None:
    """Remove half-done downloads of files that are no longer wanted."""
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            if entry.name not in wanted:
                entry.unlink()
