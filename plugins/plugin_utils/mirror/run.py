"""A mirror from beginning to end: look, fetch, publish; or find out what that would do."""

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
from ..net.errors import Refused, written
from . import clients, contents, disk_space, files, summary
from .download import download
from .items import wanted
from .layout import CONTENTS, STATE, below
from .locks import read_locks
from .mirror import Mirror, former_contents
from .outcome import Outcome
from .present import missing_items, needless_files
from .progress import Say
from .publish import publish
from .seen import Seen
from .settings import Settings


def run(
    settings: Settings, write: bool, say: Say = lambda text: None, alive: Callable[[], bool] = lambda: True
) -> Outcome:
    """Bring a mirror to what the locks say, or (`write` false) find out what that would do.

    :param say: is called with lines of progress
    :param alive: whether somebody still waits for this
    :raises Problem: with what could not be done, why, and what to do; the indexes then are as they were
    :raises Stopped: where nobody waits for this any more
    """
    began = time.monotonic()
    locks, notes = read_locks(settings.locks_dir, settings.choice)
    alias, credentials = split_credentials(address_of(settings.sources.alias))
    miniconda, more = split_credentials(address_of(settings.sources.miniconda))
    rattler, yet_more = split_credentials(address_of(settings.sources.rattler))
    stop = threading.Event()
    fetcher = Fetcher({**more, **yet_more, **credentials}, stop)
    known = _other_mirror(alias, fetcher)
    sources = replace(settings.sources, alias=alias, miniconda=miniconda, rattler=rattler, mirror=known is not None)
    want = wanted(locks, settings.choice, settings.extras, sources)
    old_mask = os.umask(0o022)
    try:
        with _alone(settings.dest, write):
            seen, former = Seen(settings.dest / STATE), former_contents(settings.dest)
            mirror = Mirror(settings, want, fetcher, stop, say, alive, known or {}, seen, former)
            _bring_up_to_date(mirror, write)
    except OSError as error:
        raise written(error, settings.dest) from None
    finally:
        stop.set()
        os.umask(old_mask)
    made = mirror.outcome
    made.notes = [*notes, *want.notes, *made.notes]
    made.seconds = time.monotonic() - began
    return made


def address_of(source: str) -> str:
    """Return an address for a source that may be a folder's path."""
    return source if not source or "://" in source else Path(source).expanduser().absolute().as_uri()


def _other_mirror(alias: str, fetcher: Fetcher) -> dict[str, int] | None:
    """Return the sizes of another mirror's files where the source is one, which then has wheels and installers too."""
    if alias.rstrip("/") == chan.PUBLISHED_ALIAS:
        return None
    try:
        text = fetcher.text(below(alias, CONTENTS))
    except Refused:
        return None  # some servers answer so where there is nothing; if it is true, the first package says so
    data = None if text is None else contents.read(text)
    return None if data is None else {file["path"]: file["size"] for file in data["files"]}


@contextlib.contextmanager
def _alone(dest: Path, write: bool) -> Iterator[None]:
    """Be the only run at a mirror; a check makes no folder and no file for that.

    :raises Problem: where another run is at it
    """
    folder = dest / STATE
    if write:
        if dest.exists() and not dest.is_dir():
            raise Problem(f"{dest} is not a folder", "", "name the folder that shall be the mirror (-e dest=...)")
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
            "let it end first, or end it: this one then goes on there",
        ) from None
    finally:
        os.close(lock)


def _bring_up_to_date(mirror: Mirror, write: bool) -> None:
    """Do it, or find out what that would do; what came of it is the mirror's outcome."""
    missing = missing_items(mirror, write)
    kept, gone = needless_files(mirror)
    sizes = disk_space.sizes_of(mirror, missing)
    disk_space.need_room(mirror, missing, sizes)
    out, prune = mirror.outcome, mirror.settings.prune
    out.fetched = {item.path: sizes[item.path] for item in missing}
    out.pruned = sorted(gone) if prune else []
    out.prunable = {} if prune else gone
    if write:
        download(mirror, missing, sizes)
    elif missing:  # their records are unknown, and that something changes is known
        entries = clients.entries_of(mirror, kept, {path: max(size, 0) for path, size in sizes.items()})
        out.summary = summary.of_mirror(mirror, entries)
        out.changed = True
        return
    entries = clients.entries_of(mirror, kept, {})
    records = clients.records_of(mirror, clients.of_kind(mirror, kept, "conda"))
    indexes = clients.indexes_of(mirror, kept, records)
    lists = clients.lists_of(mirror, entries, indexes)
    stale = clients.stale_files(mirror, indexes, lists)
    out.indexes = sorted(p for p, data in {**indexes, **lists}.items() if files.read(mirror.dest / p) != data) + stale
    out.summary = summary.of_mirror(mirror, entries)
    out.changed = bool(missing or out.pruned or out.indexes)
    if write:
        publish(mirror, indexes, lists, stale, records)
