"""An import from beginning to end: read, ask the channel, solve, compare, write."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ...module_utils.host import install_plan as plans
from ..conda import lock_diff
from ..conda.lockfile import SUFFIX, Lock, LockError, plan
from ..core import atomic_write
from ..core.findings import warnings
from ..lock.outcome import Outcome as Locked
from ..lock.settings import SettingsError
from ..lock.summary import lines
from ..solve.conda_solver import ChannelUnreadable
from . import read_export, read_prefix
from .difference import note_difference
from .discovered import Found, Wish, of_prefix
from .draft import Draft, begin
from .explicit_roots import add_the_rest, solve_roots
from .outcome import ImportFailed, Outcome, Settings
from .pins import preferences
from .requested import note_foreign, possible_wishes
from .solving import solve


def run(settings: Settings, write: bool) -> Outcome:
    """Make spec and lock, and `write` both unless they are there; raises ImportFailed, before anything is written."""
    found = read(settings.source)
    try:
        draft = begin(settings, found)
        with closing(draft.channel):
            made = _make(draft)
    except (ChannelUnreadable, SettingsError) as error:
        raise ImportFailed(str(error)) from None
    files = ((made.spec_path, made.old_spec, made.spec), (made.lock_path, made.old_lock, made.lock))
    taken = [str(path) for path, old, new in files if old is not None and old != new]
    if taken and not settings.force:
        raise ImportFailed(
            f"{' and '.join(taken)}: there is such an environment already; give another name (-e env=...), or replace "
            "it with -e force=true (look at it first: --check --diff -e force=true)"
        )
    if write:
        for path, old, new in files:
            if old != new:
                atomic_write.write(path, new)
    return made


def read(source: Path) -> Found:
    """Read an environment, or what describes one; raises ImportFailed."""
    try:
        if source.is_dir():
            if read_prefix.is_prefix(source):
                return of_prefix(read_prefix.read(source))
            raise ImportFailed(f"{source}: a folder without conda-meta is no conda environment")
        return read_export.read(source)
    except (read_prefix.PrefixError, read_export.ExportError) as error:
        raise ImportFailed(str(error)) from None
    except OSError as error:
        raise ImportFailed(f"{source}: {error.strerror}") from None


def _make(draft: Draft) -> Outcome:
    """Return spec and lock; raises ImportFailed."""
    note_foreign(draft.found, draft.channel)
    asked = possible_wishes(draft)
    for platform in draft.platforms:
        draft.preferred[platform] = preferences(draft, platform)
    draft.offered = {package.name for package in draft.preferred[draft.home]}
    if not asked:
        raise ImportFailed(f"{draft.found.source}: nothing of it is in {draft.channel}")
    if draft.found.everything:
        asked, outcome = solve_roots(draft, asked)
    else:
        asked, outcome = add_the_rest(draft, *solve(draft, asked))
    lock = Lock.loads(str(outcome.new_text), "the new lock")
    exact = note_difference(draft.found, lock, draft.home, draft.offered)
    return _outcome(draft, asked, lock, outcome, exact)


def _outcome(draft: Draft, asked: list[Wish], lock: Lock, outcome: Locked, exact: bool) -> Outcome:
    """Return the result, beside what is in place."""
    site, name = draft.settings.site, draft.name
    spec_path = site.envs_dir / f"{name}.yml"
    lock_path = site.locks_dir / site.tier / f"{name}{SUFFIX}"
    try:
        old_spec, old_lock = _text(spec_path), _text(lock_path)
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFailed(f"{spec_path}, {lock_path}: {getattr(error, 'strerror', None) or error}") from None
    outcome.name, outcome.old_text = name, old_lock
    summary = lines(outcome)
    if exact:
        digest = plans.short(str(plan(lock, name, draft.home)["digest"]))
        count = sum(package.manager == "conda" for package in lock.of(draft.home))
        summary.append(
            f"{name}: for {draft.home} the lock holds exactly the {count} conda packages of the environment, digest "
            f"{digest}"
        )
    return Outcome(
        name, spec_path, lock_path, draft.spec(asked), str(outcome.new_text), old_spec, old_lock, draft.notes(asked),
        summary, warnings(outcome.findings), exact, lock_diff.diff(_lock(old_lock), lock),
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
