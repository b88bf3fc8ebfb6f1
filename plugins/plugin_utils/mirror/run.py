"""Run a mirror from beginning to end: inspect, fetch, publish; or find out what that would do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...module_utils.host.errors import Problem
from ..conda import channels as chan
from ..net.credentials import split_credentials
from ..net.download import Fetcher
from ..net.errors import AccessRefused, file_error
from . import contents, disk_space, publish
from .download import download
from .items import list_wanted
from .layout import CONTENTS, STATE, below
from .locks import read_locks
from .mirror import HashedFiles, Mirror, Outcome, Report, former_contents
from .present import missing_items, needless_files
from .settings import Settings


def run(
    settings: Settings, write: bool, report: Report = lambda text: None, alive: Callable[[], bool] = lambda: True
) -> Outcome:
    """Bring a mirror in line with the locks, or (`write` false) find out what that would do.

    :param report: called with lines of progress
    :param alive: returns whether the caller still waits for the run
    :raises Problem: if it fails; the indexes are then as they were
    :raises Stopped: if the caller is gone
    """
    began = time.monotonic()
    locks, notes = read_locks(settings.locks_dir, settings.choice)
    alias, credentials = split_credentials(as_url(settings.sources.alias))
    miniconda, more = split_credentials(as_url(settings.sources.miniconda))
    rattler, yet_more = split_credentials(as_url(settings.sources.rattler))
    stop = threading.Event()
    fetcher = Fetcher({**more, **yet_more, **credentials}, stop)
    known = _other_mirror(alias, fetcher)
    sources = replace(settings.sources, alias=alias, miniconda=miniconda, rattler=rattler, mirror=known is not None)
    want = list_wanted(locks, settings.choice, settings.extras, sources)
    old_mask = os.umask(0o022)
    try:
        with _exclusive_lock(settings.dest, write):
            hashed, former = HashedFiles(settings.dest / STATE), former_contents(settings.dest)
            mirror = Mirror(settings, want, fetcher, stop, report, alive, known or {}, hashed, former)
            _update(mirror, write)
    except OSError as error:
        raise file_error(error, settings.dest) from None
    finally:
        stop.set()
        os.umask(old_mask)
    made = mirror.outcome
    made.notes = [*notes, *want.notes, *made.notes]
    made.seconds = time.monotonic() - began
    return made


def as_url(source: str) -> str:
    """Return a source as a url; a folder's path becomes a file: url, "" stays."""
    return source if not source or "://" in source else Path(source).expanduser().absolute().as_uri()


def _other_mirror(alias: str, fetcher: Fetcher) -> dict[str, int] | None:
    """Return the sizes (bytes by path) of a source that is another mirror, None if it is not one.

    Another mirror also has the wheels and installers.
    """
    if alias.rstrip("/") == chan.PUBLISHED_ALIAS:
        return None
    try:
        text = fetcher.text(below(alias, CONTENTS))
    except AccessRefused:
        return None  # some servers answer so for a missing file; real refusals fail at the first package
    data = None if text is None else contents.from_json(text)
    return None if data is None else {file["path"]: file["size"] for file in data["files"]}


@contextlib.contextmanager
def _exclusive_lock(dest: Path, write: bool) -> Iterator[None]:
    """Hold the mirror's lock (shared in check mode, which makes no folder and no file for it).

    :raises Problem: if another run holds it, or `dest` is not a folder
    """
    folder = dest / STATE
    if write:
        if dest.exists() and not dest.is_dir():
            raise Problem(f"{dest} is not a folder", "", "name the mirror's folder (-e dest=...)")
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT if write else os.O_RDONLY, 0o644)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if write else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Problem(
            f"another run is at work on the mirror {dest}",
            "",
            "wait until it ends, or end it: the next run continues where it stopped",
        ) from None
    finally:
        os.close(lock)


def _update(mirror: Mirror, write: bool) -> None:
    """Inspect, fetch and publish, or find out what that would do; fill the mirror's outcome."""
    missing = missing_items(mirror, write)
    kept, gone = needless_files(mirror)
    sizes = disk_space.sizes_of(mirror, missing)
    disk_space.require_space(mirror, missing, sizes)
    out, prune = mirror.outcome, mirror.settings.prune
    out.fetched = {item.path: sizes[item.path] for item in missing}
    out.pruned = sorted(gone) if prune else []
    out.prunable = {} if prune else gone
    if write:
        download(mirror, missing, sizes)
    elif missing:  # their records are not known, so neither are the indexes
        entries = publish.make_entries(mirror, kept, {path: max(size, 0) for path, size in sizes.items()})
        out.summary = contents.summary(mirror.dest, mirror.want, entries, out.prunable)
        out.changed = True
        return
    entries = publish.make_entries(mirror, kept, {})
    records = publish.read_records(mirror, publish.files_of_kind(mirror, kept, "conda"))
    indexes = publish.make_indexes(mirror, kept, records)
    lists = publish.make_lists(mirror, entries, indexes)
    stale = publish.stale_files(mirror, indexes, lists)
    out.indexes = publish.changed_files(mirror, {**indexes, **lists}) + stale
    out.summary = contents.summary(mirror.dest, mirror.want, entries, out.prunable)
    out.changed = bool(missing or out.pruned or out.indexes)
    if write:
        publish.publish(mirror, indexes, lists, stale, records)
