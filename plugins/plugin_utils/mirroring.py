"""Make a mirror: look at what is there, fetch what is missing, and only then change what clients read.

The order survives a kill at any moment. A file gets its name when its sha256 agrees. Indexes are written when all files
are there and are on the disk, each in one step; the list of contents comes last. Pruning takes files out of the indexes
first and then away. So an index never names a file that is not there, and whatever a killed run leaves, the next one
goes on with.

What is there is believed where size and modification time are those of when it was hashed (`.lockstep/seen`), since
reading 10 GB again takes half a minute, and hosts check every package once more. `verify` reads everything.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..module_utils import tree
from ..module_utils.plan import redact
from ..module_utils.problem import Problem
from ..module_utils.room import human
from . import channels as chan
from . import mirror_index as index
from . import mirror_plan as plan
from . import wheels
from .mirror_fetch import Absent, Fetcher, Full, Refused, Stopped, split_credentials, written
from .mirror_plan import CONTENTS, STATE, Choice, Extras, Item, Sources, Wanted

UNKNOWN = 64 << 20  # bytes: of a file whose server does not tell its size
SPARE = 4 << 20  # bytes: for the indexes
ASKING = 8  # questions for sizes at once: they are small
SHOWN = 12  # files that a message names

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What to mirror, from where, to where, and how."""

    dest: Path
    locks_dir: Path
    choice: Choice
    extras: Extras = field(default_factory=Extras)
    sources: Sources = field(default_factory=Sources)
    prune: bool = False
    verify: bool = False
    parallel: int = 4


@dataclass
class Outcome:
    """What a run did, or in check mode would do; paths are below the mirror."""

    changed: bool = False
    fetched: dict[str, int] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    prunable: dict[str, int] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def difference(self) -> list[str]:
        """Return lines that tell what changed."""
        lines = [f"{'~' if path in self.mended else '+'} {path}  {_known(size)}" for path, size in self.fetched.items()]
        lines += [f"- {path}" for path in self.pruned]
        return lines + [f"~ {path}" for path in self.indexes]


def run(
    settings: Settings, write: bool, say: Say = lambda text: None, alive: Callable[[], bool] = lambda: True
) -> Outcome:
    """Bring a mirror to what the locks say, or (`write` false) find out what that would do.

    :param say: is called with lines of progress
    :param alive: whether somebody still waits for this
    :raises Problem: with what could not be done, why, and what to do; the indexes then are as they were
    """
    began = time.monotonic()
    locks, notes = plan.read_locks(settings.locks_dir, settings.choice)
    alias, credentials = split_credentials(address_of(settings.sources.alias))
    miniconda, more = split_credentials(address_of(settings.sources.miniconda))
    engine, yet_more = split_credentials(address_of(settings.sources.engine))
    stop = threading.Event()
    fetcher = Fetcher({**more, **yet_more, **credentials}, stop)
    known = _other_mirror(alias, fetcher)
    sources = replace(settings.sources, alias=alias, miniconda=miniconda, engine=engine, mirror=known is not None)
    want = plan.wanted(locks, settings.choice, settings.extras, sources)
    old_mask = os.umask(0o022)
    try:
        with _alone(settings.dest, write):
            made = _Mirror(settings, want, fetcher, stop, say, alive, known or {}).run(write)
    except OSError as error:
        raise written(error, settings.dest) from None
    finally:
        stop.set()
        os.umask(old_mask)
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
        text = fetcher.text(plan.below(alias, CONTENTS))
    except Refused:
        return None  # some servers answer so where there is nothing; if it is true, the first package says so
    data = None if text is None else plan.read_contents(text)
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


class _Seen:
    """Which files were hashed, when they had which size and time: a text that is only appended to while work goes on,
    so that a killed run is remembered as far as it came.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.entries = folder / "seen", dict[str, tuple[str, int, int]]()
        with contextlib.suppress(OSError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n")[
                :-1
            ]:  # the last may be torn
                fields = line.split(" ", 3)
                if len(fields) == 4 and fields[1].isdigit() and fields[2].isdigit() and plan.safe(fields[3]):
                    self.entries[fields[3]] = (fields[0], int(fields[1]), int(fields[2]))

    def believed(self, path: str, sha256: str, status: os.stat_result) -> bool:
        return self.entries.get(path) == (sha256, status.st_size, status.st_mtime_ns)

    def add(self, dest: Path, path: str, sha256: str, write: bool) -> None:
        status = (dest / path).stat()
        self.entries[path] = (sha256, status.st_size, status.st_mtime_ns)
        if write:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(path))

    def _line(self, path: str) -> str:
        return "{} {} {} {}\n".format(*self.entries[path], path)

    def keep(self, paths: Iterable[str]) -> None:
        """Write it anew, with these files alone."""
        self.entries = {path: self.entries[path] for path in sorted(paths) if path in self.entries}
        index.put(self.path, "".join(self._line(path) for path in self.entries).encode())


class _Progress:
    """Counts what arrives and says so now and then."""

    def __init__(self, say: Say, files: int, total: int) -> None:
        self.say_line, self.files, self.total = say, files, total
        self.done = self.bytes = self.arrived = 0
        self.began = self.told = time.monotonic()
        self.guard = threading.Lock()

    def arrive(self, count: int) -> None:
        with self.guard:
            self.bytes += count
            self.arrived += max(count, 0)

    def finish(self) -> None:
        with self.guard:
            self.done += 1

    def tell(self) -> None:
        """Say how far it is: every 5 seconds, after the first minute every 30."""
        now = time.monotonic()
        if now - self.told < (5 if now - self.began < 60 else 30):
            return
        self.told = now
        rate = self.arrived / (now - self.began)
        left = f", {max(self.total - self.bytes, 0) / rate:.0f} s left" if rate else ""
        size = f"{human(self.bytes)} of {human(self.total)}"
        self.say_line(f"mirror: {self.done} of {self.files} files, {size}, {human(rate)}/s{left}")


class _Mirror:
    """One run, under the lock."""

    def __init__(
        self, settings: Settings, want: Wanted, fetcher: Fetcher, stop: threading.Event, say: Say,
        alive: Callable[[], bool], known: Mapping[str, int],
    ) -> None:  # fmt: skip
        self.settings, self.want, self.fetcher, self.stop, self.say = settings, want, fetcher, stop, say
        self.alive, self.known = alive, known
        self.dest, self.state = settings.dest, settings.dest / STATE
        self.partial = self.state / "partial"
        self.seen = _Seen(self.state)
        self.former = self._former()
        self.outcome = Outcome()

    def _former(self) -> dict[str, Any]:
        try:
            found = plan.read_contents((self.dest / CONTENTS).read_text(encoding="utf-8"))
        except (FileNotFoundError, UnicodeDecodeError):
            found = None
        return found or {"files": [], "indexes": {}}

    def run(self, write: bool) -> Outcome:
        """Do it, or find out what that would do."""
        missing = self._missing(write)
        kept, gone = self._others()
        sizes = self._sizes(missing)
        self._need_room(missing, sizes)
        out = self.outcome
        out.fetched = {item.path: sizes[item.path] for item in missing}
        out.pruned = sorted(gone) if self.settings.prune else []
        out.prunable = {} if self.settings.prune else gone
        if write:
            self._fetch(missing, sizes)
        elif missing:  # their records are unknown, and that something changes is known
            files = self._files(kept, {path: max(size, 0) for path, size in sizes.items()})
            out.summary = self._summary(files)
            out.changed = True
            return out
        files = self._files(kept, {})
        indexes = self._indexes(kept)
        texts = {
            CONTENTS: plan.contents(self.want, files, {p: index.sha256(data) for p, data in indexes.items()}).encode()
        }
        for tier in dict.fromkeys(one.tier for one in self.want.locks):
            of_tier = [file for file in files.values() if any(use.startswith(tier + "/") for use in file["uses"])]
            lines = [f"{tier}: {plan.sizes(of_tier)}", *plan.summary(self.want, files, tier), ""]
            texts[f"contents-{tier}.txt"] = "\n".join(lines).encode()
        stale = self._stale(indexes, texts)
        out.indexes = sorted(p for p, data in {**indexes, **texts}.items() if self._read(p) != data) + stale
        out.summary = self._summary(files)
        out.changed = bool(missing or out.pruned or out.indexes)
        if write:
            self._publish(indexes, texts, stale)
        return out

    # -- what is there -------------------------------------------------------------------------------------------------

    def _missing(self, write: bool) -> list[Item]:
        """Return what is to be fetched; files that are there are hashed unless they are believed."""
        missing, doubtful = [], []
        for item in self.want.items.values():
            try:
                status = (self.dest / item.path).stat()
            except (FileNotFoundError, NotADirectoryError):
                missing.append(item)
                continue
            if self.settings.verify or not self.seen.believed(item.path, item.sha256, status):
                doubtful.append(item)
        if doubtful:
            total = sum((self.dest / item.path).stat().st_size for item in doubtful)
            self.say(f"mirror: hashing {len(doubtful)} files that are there, {human(total)}")
            progress = _Progress(self.say, len(doubtful), total)

            def look(item: Item) -> None:
                found = wheels.sha256_of(self.dest / item.path)
                progress.arrive((self.dest / item.path).stat().st_size)
                progress.finish()
                with progress.guard:
                    if found == item.sha256:
                        self.seen.add(self.dest, item.path, found, write)
                    else:
                        missing.append(item)
                        self.outcome.mended.append(item.path)

            self._each(look, doubtful, progress, os.cpu_count() or 2)
        return sorted(missing, key=lambda item: item.path)

    def _others(self) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
        """Return what nothing needs any more: files to keep listed (without prune), and the size of all by path.

        What this or an earlier run did not put there is not touched, whatever it is, and named in a note.
        """
        listed = {file["path"]: file for file in self.former["files"]}
        gone, kept = {}, {}
        for path in sorted(({*listed, *self.seen.entries}) - set(self.want.items)):
            try:
                status = (self.dest / path).stat()
            except OSError:
                continue
            gone[path] = status.st_size
            # a file that a killed run fetched and nothing ever listed stays unlisted
            if path in listed and not self.settings.prune and self._unchanged(path, listed[path]["sha256"], status):
                kept[path] = {**{k: v for k, v in listed[path].items() if k != "path"}, "uses": []}
        folders = {f"{channel}/{subdir}" for channel, subdir in self.want.subdirs}
        foreign = sorted(
            f"{folder}/{entry.name}"
            for folder in folders
            if (self.dest / folder).is_dir()
            for entry in (self.dest / folder).iterdir()
            if index.is_archive(entry.name) and f"{folder}/{entry.name}" not in {*gone, *self.want.items}
        )
        if foreign:
            self.outcome.notes.append(
                f"not the mirror's own, left alone and not listed: {', '.join(foreign[:SHOWN])}"
                + (f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else "")
            )
        return kept, gone

    def _unchanged(self, path: str, sha256: str, status: os.stat_result) -> bool:
        if not self.settings.verify and self.seen.believed(path, sha256, status):
            return True
        same = wheels.sha256_of(self.dest / path) == sha256
        if not same:
            self.outcome.notes.append(f"{path}, which no chosen lock needs, is damaged and no longer listed")
        return same

    def _files(self, kept: Mapping[str, dict[str, Any]], sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Return the list of contents' entries; `sizes`: of files that are not there (yet)."""
        found = dict(kept)
        for path, item in self.want.items.items():
            size = sizes[path] if path in sizes else (self.dest / path).stat().st_size
            found[path] = plan.entry(item, size)
        return found

    def _read(self, path: str) -> bytes | None:
        try:
            return (self.dest / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    # -- fetching ------------------------------------------------------------------------------------------------------

    def _sizes(self, missing: list[Item]) -> dict[str, int]:
        """Return how large the missing files are (-1: not known), asked of the source before anything is downloaded.

        So a full disk, and all files that the source does not have, are known at once.

        :raises Problem: naming what the source does not have
        """
        sizes: dict[str, int] = {}
        absent: list[str] = []
        ask = []
        for item in missing:
            if item.path in self.known or not item.source:
                sizes[item.path] = self.known.get(item.path, -1)
            else:
                ask.append(item)
        if ask:
            self.say(f"mirror: asking for the sizes of {len(ask)} files")
            progress = _Progress(lambda text: None, len(ask), 0)

            def one(item: Item) -> None:
                try:
                    sizes[item.path] = self.fetcher.size(item.source)
                except Absent as problem:
                    absent.append(f"{redact(item.source)} ({problem.cause})")

            self._each(one, ask, progress, ASKING)
        if absent:
            raise Problem(
                f"the source does not have {len(absent)} of {len(self.want.items)} files: "
                + ", ".join(sorted(absent)[:SHOWN]) + (" and more" if len(absent) > SHOWN else ""),
                "nothing was downloaded",
                "if the channel withdrew a package, lock again; else correct the source (lockstep_mirror_source, "
                "lockstep_mirror_miniconda_source, lockstep_mirror_engine_source)",
            )  # fmt: skip
        return sizes

    def _need_room(self, missing: list[Item], sizes: Mapping[str, int]) -> None:
        """Refuse what the disk cannot hold.

        :raises Problem: where there is not enough
        """
        needed = 0
        for item in missing:
            size = sizes[item.path] if sizes[item.path] >= 0 else UNKNOWN
            with contextlib.suppress(OSError):
                size -= min(size, self._partial(item).stat().st_size)
            needed += size
        place = next(folder for folder in (self.dest, *self.dest.absolute().parents) if folder.is_dir())
        disk = os.statvfs(place)
        free = disk.f_bavail * disk.f_frsize
        if missing and free < needed + SPARE:
            raise Problem(
                f"no room for {len(missing)} files: {human(needed)} needed, {human(free)} free in {place}",
                "nothing was downloaded",
                "give the mirror a larger disk, choose fewer tiers or platforms, or prune (-e prune=true)",
            )

    def _fetch(self, missing: list[Item], sizes: Mapping[str, int]) -> None:
        """Fetch, several at once. One failure does not keep the others from arriving: they are then there.

        :raises Problem: naming all that could not be had
        """
        self._sweep({self._partial(item).name for item in missing})
        if not missing:
            return
        total = sum(max(size, 0) for size in sizes.values())
        self.say(f"mirror: fetching {len(missing)} files, {human(total)}")
        progress = _Progress(self.say, len(missing), total)
        self.fetcher.say = progress.arrive
        problems: list[Problem] = []

        def one(item: Item) -> None:
            partial = self._partial(item)
            with contextlib.suppress(OSError):
                progress.bytes += partial.stat().st_size
            try:
                size = self.fetcher.fetch(
                    item.source or self._indexed_wheel(item), item.sha256, partial, self.dest / item.path
                )
            except Problem as problem:
                problems.append(problem)
                if isinstance(problem, (Full, Refused)):
                    self.stop.set()
                return
            with progress.guard:
                self.seen.add(self.dest, item.path, item.sha256, True)
                self.outcome.fetched[item.path] = size
            progress.finish()

        # the largest first: else the last one keeps everybody waiting
        order = sorted(missing, key=lambda item: (-sizes[item.path], item.path))
        try:
            self._each(one, order, progress, self.settings.parallel)
        except Stopped:
            if not problems:
                raise
        if problems:
            first = problems[0]
            rest = [problem.message for problem in problems[1:SHOWN]]
            raise Problem(
                first.message + (f" ({len(problems)} files failed; also: {'; '.join(rest)})" if rest else ""),
                first.cause,
                first.remedy or "run again: what has arrived is kept",
            )
        seconds = time.monotonic() - progress.began
        self.say(
            f"mirror: fetched {progress.done} files, {human(progress.arrived)} in {seconds:.0f} s, "
            f"{human(progress.arrived / max(seconds, 0.001))}/s"
        )
        with contextlib.suppress(OSError):
            self.partial.rmdir()

    def _partial(self, item: Item) -> Path:
        """Return where a download grows; the name says of which bytes and for which place, for the next run."""
        return self.partial / index.sha256(f"{item.sha256} {item.path}".encode())

    def _indexed_wheel(self, item: Item) -> str:
        """Return where an engine's wheel lies that the controller's own pip fetched (or had fetched before)."""
        try:
            return str(wheels.wheel(item.path.rpartition("/")[2], item.sha256))
        except Problem as problem:
            raise Problem(
                problem.message, problem.cause,
                "give the controller a package index (pip config), or set lockstep_mirror_engine_source",
            ) from None  # fmt: skip

    def _sweep(self, wanted: set[str]) -> None:
        """Remove half-done downloads of files that are no longer wanted."""
        with contextlib.suppress(FileNotFoundError):
            for entry in self.partial.iterdir():
                if entry.name not in wanted:
                    entry.unlink()

    def _each(self, work: Callable[[Item], None], items: list[Item], progress: _Progress, threads: int) -> None:
        """Do something for each item in a few threads, while this one says how far it is and heeds whoever waits."""
        if not items:
            return

        def guarded(item: Item) -> None:
            if self.stop.is_set():
                raise Stopped
            work(item)

        with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="mirror") as pool:
            pending: set[Future[None]] = {pool.submit(guarded, item) for item in items}
            try:
                while pending:
                    done, pending = wait(pending, timeout=0.5)
                    progress.tell()
                    if not self.alive():
                        raise Stopped
                    for future in done:
                        future.result()
            except BaseException:
                self.stop.set()
                for future in pending:
                    future.cancel()
                raise

    # -- what clients read ---------------------------------------------------------------------------------------------

    def _indexes(self, kept: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
        """Return all indexes by path. What archives say of themselves is remembered, by their sha256."""
        cache = self.state / "records.json"
        try:
            remembered = {str(key): dict(value) for key, value in json.loads(cache.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            remembered = {}
        conda = {path: item for path, item in self.want.items.items() if item.kind == "conda"}
        sha256 = {path: item.sha256 for path, item in conda.items()}
        sha256 |= {path: entry["sha256"] for path, entry in kept.items() if entry["kind"] == "conda"}
        new = sorted(path for path, sha in sha256.items() if sha not in remembered)
        for path, own in index.read_records(self.dest, new).items():
            remembered[sha256[path]] = own
        self.records = {sha: remembered[sha] for sha in sorted(set(sha256.values()))}
        subdirs = {f"{channel}/{subdir}" for channel, subdir in self.want.subdirs}
        subdirs |= {path.rpartition("/")[0] for path in sha256}
        if not self.settings.prune:
            subdirs |= {p.rpartition("/")[0] for p in self.former["indexes"] if p.endswith("/" + index.REPODATA)}
        found = {}
        for folder in sorted(subdirs):
            before = index.former(self.dest / folder / index.REPODATA)
            records = {}
            for path, sha in sha256.items():
                if path.rpartition("/")[0] != folder:
                    continue
                name = path.rpartition("/")[2]
                own = remembered[sha]
                if path in conda:
                    records[name] = index.record(conda[path], own)
                else:  # no lock names it any more: as it was listed before
                    records[name] = before[name] if before.get(name, {}).get("sha256") == sha else own
            found[f"{folder}/{index.REPODATA}"] = index.repodata(folder.rpartition("/")[2], records)
        pip = {path: item.sha256 for path, item in self.want.items.items() if item.kind == "pip"}
        pip |= {path: entry["sha256"] for path, entry in kept.items() if entry["kind"] == "pip"}
        return found | index.simple_pages(pip)

    def _stale(self, indexes: Mapping[str, bytes], texts: Mapping[str, bytes]) -> list[str]:
        """Return indexes that are no more, and other forms of those that are (which would contradict them)."""
        found = set(self.former["indexes"]) - set(indexes)
        found |= {path.name for path in self.dest.glob("contents-*.txt")} - set(texts)
        for path in indexes:
            folder, _, name = path.rpartition("/")
            if name == index.REPODATA:
                found |= {f"{folder}/{other}" for other in index.OTHER_FORMS}
        return sorted(path for path in found if (self.dest / path).is_file())

    def _publish(self, indexes: Mapping[str, bytes], texts: Mapping[str, bytes], stale: list[str]) -> None:
        """Write what clients read, then the list, then take away what nothing names any more."""
        tree.sync_filesystem(str(self.dest))
        for path in stale:
            self._remove(path)
        for path, data in indexes.items():
            index.put(self.dest / path, data)
        for path in sorted(texts, reverse=True):  # contents.json after the texts
            index.put(self.dest / path, texts[path])
        for path in self.outcome.pruned:
            self._remove(path)
        self.seen.keep(set(self.seen.entries) - set(self.outcome.pruned))
        index.put(self.state / "records.json", json.dumps(self.records, sort_keys=True).encode())

    def _remove(self, path: str) -> None:
        """Remove a file, and the folders that are empty then."""
        (self.dest / path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in list(Path(path).parents)[:-1]:
                (self.dest / folder).rmdir()

    def _summary(self, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
        lines = [f"{self.dest}: {plan.sizes([file for file in files.values() if file['uses']])}"]
        for tier in dict.fromkeys(one.tier for one in self.want.locks):
            lines += [f"{tier:<6} {line}" for line in plan.summary(self.want, files, tier)]
        if self.outcome.prunable:
            lines.append(
                f"{len(self.outcome.prunable)} files that no chosen lock needs stay, "
                f"{human(sum(self.outcome.prunable.values()))}; -e prune=true removes them"
            )
        return lines


def _known(size: int) -> str:
    return human(size) if size >= 0 else "size not known"
