"""Run an import: read, query the channel, solve, compare, write."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ..conda import lock_diff
from ..conda.lockfile import SUFFIX, Lock, LockError, plan
from ..core import atomic_write
from ..core.findings import warnings
from ..lock.outcome import Outcome as LockOutcome
from ..lock.settings import SettingsError
from ..lock.summary import lines
from ..solve.conda_solver import ChannelUnreadable
from . import read_export, read_prefix
from .difference import note_difference
from .discovered import Discovered, Requested, from_prefix
from .draft import Draft, begin
from .explicit_roots import add_the_rest, solve_roots
from .outcome import ImportFailed, Outcome, Settings
from .pins import preferences
from .requested import note_foreign, requested_packages
from .solving import solve


def run(settings: Settings, write: bool) -> Outcome:
    """Make a spec and a lock from an existing environment.

    :param write: whether to write both files
    :raises ImportFailed: if they cannot be made, or would replace files without `force`; nothing is written then
    """
    discovered = read(settings.source)
    try:
        draft = begin(settings, discovered)
        with closing(draft.channel):
            made = _make(draft)
    except (ChannelUnreadable, SettingsError) as error:
        raise ImportFailed(str(error)) from None
    files = ((made.spec_path, made.old_spec, made.spec), (made.lock_path, made.old_lock, made.lock))
    taken = [str(path) for path, old, new in files if old is not None and old != new]
    if taken and not settings.force:
        raise ImportFailed(
            " and ".join(taken),
            "an environment of that name already exists",
            "give another name (-e env=...), or replace it with -e force=true (preview: --check --diff -e force=true)",
        )
    if write:
        for path, old, new in files:
            if old != new:
                atomic_write.write(path, new)
    return made


def read(source: Path) -> Discovered:
    """Read a prefix, or a file that describes an environment; raises ImportFailed."""
    try:
        if source.is_dir():
            if read_prefix.is_prefix(source):
                return from_prefix(read_prefix.read(source))
            raise ImportFailed(
                str(source),
                "a folder without conda-meta is not a conda environment",
                "name an environment's folder, or a file that describes one",
            )
        return read_export.read(source)
    except (read_prefix.PrefixError, read_export.ExportError) as error:
        raise ImportFailed(str(error)) from None
    except OSError as error:
        raise ImportFailed(str(source), error.strerror or str(error), "name a readable file or folder") from None


def _make(draft: Draft) -> Outcome:
    """Solve the environment; return its spec and lock. Raises ImportFailed."""
    note_foreign(draft.discovered, draft.channel)
    requested = requested_packages(draft)
    for platform in draft.platforms:
        draft.preferred[platform] = preferences(draft, platform)
    draft.offered = {package.name for package in draft.preferred[draft.home]}
    if not requested:
        raise ImportFailed(
            draft.discovered.source,
            f"{draft.channel} has none of its packages",
            "allow a channel that has them (lockstep_channels)",
        )
    if draft.discovered.everything:
        requested, outcome = solve_roots(draft, requested)
    else:
        requested, outcome = add_the_rest(draft, *solve(draft, requested))
    lock = Lock.loads(str(outcome.new_text), "the new lock")
    exact = note_difference(draft.discovered, lock, draft.home, draft.offered)
    return _outcome(draft, requested, lock, outcome, exact)


def _outcome(draft: Draft, requested: list[Requested], lock: Lock, outcome: LockOutcome, exact: bool) -> Outcome:
    """Return the new spec and lock together with the files that are in place."""
    site, name = draft.settings.site, draft.name
    spec_path = site.envs_dir / f"{name}.yml"
    lock_path = site.locks_dir / site.tier / f"{name}{SUFFIX}"
    try:
        old_spec, old_lock = _text(spec_path), _text(lock_path)
    except (OSError, UnicodeDecodeError) as error:
        cause = str(getattr(error, "strerror", None) or error)
        raise ImportFailed(f"{spec_path}, {lock_path}", cause, "make both readable UTF-8 files") from None
    outcome.name, outcome.old_text = name, old_lock
    summary = lines(outcome)
    if exact:
        digest = plan(lock, name, draft.home).generation
        count = sum(package.manager == "conda" for package in lock.of(draft.home))
        summary.append(
            f"{name}: for {draft.home} the lock holds exactly the {count} conda packages of the environment, digest "
            f"{digest}"
        )
    return Outcome(
        name, spec_path, lock_path, draft.spec(requested), str(outcome.new_text), old_spec, old_lock,
        draft.notes(requested), summary, warnings(outcome.findings), exact, lock_diff.diff(_lock(old_lock), lock),
    )  # fmt: skip


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _lock(text: str | None) -> Lock | None:
    try:
        return Lock.loads(text) if text else None
    except LockError:
        return None
