"""Lock requested packages with the site's ordinary locking, versions loosened only as far as necessary."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..conda.lockfile import SUFFIX
from ..core.findings import Finding, errors
from ..lock.outcome import Outcome as LockOutcome
from ..lock.run import run as make_locks
from .discovered import CHANGED, DECIDE, PART_OF_A_PLATFORM, Requested
from .draft import Draft
from .outcome import ImportFailed
from .pins import lock_of_preferred
from .versions import free, series


def solve(draft: Draft, requested: list[Requested]) -> tuple[list[Requested], LockOutcome]:
    """Return requested packages that have a solution, versions loosened only as far as necessary, and the outcome of
    locking them.

    :raises ImportFailed: if there is no solution
    """
    kept = requested
    unsolvable = draft.unsolvable(requested)
    if unsolvable and draft.discovered.platform:  # the environment's platform matters more than the site's others
        unsolvable = draft.leave_out(unsolvable)
    if unsolvable:
        loosened = _loosen(draft, requested)
        kept = loosened or requested
        if loosened is None:
            draft.leave_out(unsolvable)
    outcome = lock(draft, kept, lock_of_preferred(draft))
    if errors(outcome.findings):
        raise ImportFailed(_no_lock_message(draft, outcome, kept))
    return kept, outcome


def _loosen(draft: Draft, requested: list[Requested]) -> list[Requested] | None:
    """Return requested packages with versions (except python's) loosened until there is a solution; None if none.

    First all versions are loosened. Then each one is restored, in the order of the file, if a solution remains.
    """
    for loosen in (series, free):
        loose = [loosen(one) for one in requested]
        if loose != requested and not draft.unsolvable(loose):
            break
    else:
        return None
    for index, old in enumerate(requested):
        for candidate in (old, series(old)):
            if candidate == loose[index]:
                break
            trial = [*loose[:index], candidate, *loose[index + 1 :]]
            if not draft.unsolvable(trial):
                loose = trial
                break
    return [
        old if old == new else old.change(f"with {old.version} there is no solution", version=new.version)
        for old, new in zip(requested, loose, strict=True)
    ]


def lock(draft: Draft, requested: Sequence[Requested], before: str | None) -> LockOutcome:
    """Lock requested packages; pip lines without a solution are loosened, then left out.

    :param before: text of the previous lock; None: there is none
    """
    while True:
        outcome = _lock_once(draft, requested, before)
        wrong = [finding for finding in errors(outcome.findings) if finding.code == "pip-unsolvable"]
        if not wrong or not _drop_pip_line(draft, wrong[0], draft.spec(requested).splitlines()):
            return outcome


def _lock_once(draft: Draft, requested: Sequence[Requested], before: str | None) -> LockOutcome:
    """Lock with the site's ordinary locking, in a temporary folder."""
    site = draft.settings.site
    envs_dir, locks_dir = site.envs_dir.resolve(), site.locks_dir.resolve()
    with tempfile.TemporaryDirectory(prefix="lockstep-import-") as folder:
        envs = Path(folder) / "envs"
        inside = locks_dir.is_relative_to(envs_dir)
        locks = envs / locks_dir.relative_to(envs_dir) if inside else Path(folder) / "locks"
        (locks / site.tier).mkdir(parents=True)
        envs.mkdir(exist_ok=True)
        (envs / f"{draft.name}.yml").write_text(draft.spec(requested), encoding="utf-8")
        with suppress(FileNotFoundError):  # the spec may already have a smoke test
            shutil.copy(envs_dir / f"{draft.name}.smoke.py", envs)
        if before:
            (locks / site.tier / f"{draft.name}{SUFFIX}").write_text(before, encoding="utf-8")
        aside = replace(
            site, envs_dir=envs, locks_dir=locks, envs=(draft.name,), update=(), upgrade=False,
            platforms=tuple(draft.platforms),
        )  # fmt: skip
        (outcome,) = make_locks(aside, write=False)
    shown = str(site.envs_dir / f"{draft.name}.yml")
    outcome.findings = [replace(finding, source=shown) for finding in outcome.findings]
    return outcome


def _drop_pip_line(draft: Draft, finding: Finding, lines: Sequence[str]) -> bool:
    """Loosen or leave out the pip line that a finding is about; return whether there was one.

    :param lines: the lines of the spec, which the finding's line number counts
    """
    discovered, pip = draft.discovered, draft.pip
    text = lines[finding.line - 1].strip().removeprefix("- ").strip('"') if 0 < finding.line <= len(lines) else ""
    if text not in pip:
        return False
    place = next((line.place for line in discovered.pip if line.text == text), "pip")
    discovered.notes = [n for n in discovered.notes if not (n.place == place and n.text.startswith(f"{text}, "))]
    bare = re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?", text)
    if "not found in the package registry" not in finding.message and bare and bare[0] != text:
        pip[pip.index(text)] = bare[0]
        discovered.note(CHANGED, f"{text} from pip -> {bare[0]}: {finding.message[:200]}", place)
    else:
        pip.remove(text)
        discovered.note(DECIDE, f"{text} from pip: the index has no wheel that fits; publish one", place)
    return True


def _no_lock_message(draft: Draft, outcome: LockOutcome, requested: Sequence[Requested]) -> str:
    """Return the message that there is no lock: the findings, the notes so far, and a spec to start from."""
    failures = errors(outcome.findings)
    causes = [finding.text() for finding in failures]
    if any("in place of `python" in finding.remedy or "without `python" in finding.remedy for finding in failures):
        causes.append("to change to another Python series, add for example -e python=3.12")
    wanted = [one for one in requested if not PART_OF_A_PLATFORM.match(one.name)]
    return "\n".join(
        [
            "nothing was written, since the environment cannot be locked as it is:",
            *causes,
            "notes so far:",
            *(f"  {note.line()}" for note in draft.notes(requested)),
            f"the spec to start from, {draft.settings.site.envs_dir / draft.name}.yml (for playbooks/lock.yml):",
            *(f"  {line}" for line in draft.spec(wanted).splitlines()),
        ]
    )
