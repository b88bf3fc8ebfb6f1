"""Wishes to a lock: loosened only as far as they must be, and made by the site's ordinary locking."""

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
from ..lock.outcome import Outcome as Locked
from ..lock.run import run as make_locks
from .discovered import CHANGED, DECIDE, PART_OF_A_PLATFORM, Wish
from .draft import Draft
from .outcome import ImportFailed
from .pins import lock_of_preferred
from .versions import free, series


def solve(draft: Draft, wishes: list[Wish]) -> tuple[list[Wish], Locked]:
    """Return the wishes that have a solution, versions loosened only as far as they must, and the solution.

    :raises ImportFailed: where there is none
    """
    kept = wishes
    lacking = draft.lacking(wishes)
    if lacking and draft.found.platform:  # what it was made for says more than where a site would like it, too
        lacking = draft.leave_out(lacking)
    if lacking:
        loosened = _loosened(draft, wishes)
        kept = loosened or wishes
        if loosened is None:
            draft.leave_out(lacking)
    outcome = lock(draft, kept, lock_of_preferred(draft))
    if errors(outcome.findings):
        raise ImportFailed(_no_lock(draft, outcome, kept))
    return kept, outcome


def _loosened(draft: Draft, wishes: list[Wish]) -> list[Wish] | None:
    """Return wishes with versions loosened until there is a solution, but for python's; None if there is none.

    First all are let go, then held again one by one in the order of the file, so that what stays loose has to.
    """
    for loosen in (series, free):
        loose = [loosen(one) for one in wishes]
        if loose != wishes and not draft.lacking(loose):
            break
    else:
        return None
    for index, old in enumerate(wishes):
        for candidate in (old, series(old)):
            if candidate == loose[index]:
                break
            trial = [*loose[:index], candidate, *loose[index + 1 :]]
            if not draft.lacking(trial):
                loose = trial
                break
    return [
        old if old == new else old.but(f"with {old.version} there is no solution", version=new.version)
        for old, new in zip(wishes, loose, strict=True)
    ]


def lock(draft: Draft, wishes: Sequence[Wish], before: str | None) -> Locked:
    """Lock the wishes; pip's lines that cannot be had are loosened or left out, as the index wants.

    :param before: text of the lock that is to be taken for the one in place
    """
    while True:
        outcome = _locked(draft, wishes, before)
        wrong = [finding for finding in errors(outcome.findings) if finding.code == "pip-unsolvable"]
        if not wrong or not _without(draft, wrong[0], draft.spec(wishes).splitlines()):
            return outcome


def _locked(draft: Draft, wishes: Sequence[Wish], before: str | None) -> Locked:
    """Lock with the site's ordinary locking, in a folder of its own."""
    site = draft.settings.site
    envs_dir, locks_dir = site.envs_dir.resolve(), site.locks_dir.resolve()
    with tempfile.TemporaryDirectory(prefix="lockstep-import-") as folder:
        envs = Path(folder) / "envs"
        inside = locks_dir.is_relative_to(envs_dir)
        locks = envs / locks_dir.relative_to(envs_dir) if inside else Path(folder) / "locks"
        (locks / site.tier).mkdir(parents=True)
        envs.mkdir(exist_ok=True)
        (envs / f"{draft.name}.yml").write_text(draft.spec(wishes), encoding="utf-8")
        with suppress(FileNotFoundError):  # the spec's smoke test, if it has one by now
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


def _without(draft: Draft, finding: Finding, lines: Sequence[str]) -> bool:
    """Loosen or leave out the line of pip that a finding is about; say whether there was one."""
    found, pip = draft.found, draft.pip
    text = lines[finding.line - 1].strip().removeprefix("- ").strip('"') if 0 < finding.line <= len(lines) else ""
    if text not in pip:
        return False
    place = next((line.place for line in found.pip if line.text == text), "pip")
    found.notes = [n for n in found.notes if not (n.place == place and n.text.startswith(f"{text}, "))]
    bare = re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?", text)
    if "not found in the package registry" not in finding.message and bare and bare[0] != text:
        pip[pip.index(text)] = bare[0]
        found.note(CHANGED, f"{text} from pip -> {bare[0]}: {finding.message[:200]}", place)
    else:
        pip.remove(text)
        found.note(DECIDE, f"{text} from pip: the index has no wheel of it that fits; publish one", place)
    return True


def _no_lock(draft: Draft, outcome: Locked, wishes: Sequence[Wish]) -> str:
    """Say why there is no lock, and what there is to start from."""
    found = errors(outcome.findings)
    said = [finding.text() for finding in found]
    if any("in place of `python" in finding.remedy or "without `python" in finding.remedy for finding in found):
        said.append("another Python is for you to decide: say so with -e python=3.12")
    asked = [one for one in wishes if not PART_OF_A_PLATFORM.match(one.name)]
    return "\n".join(
        [
            "nothing was written, for the environment cannot be locked as it is:",
            *said,
            "what became of it so far:",
            *(f"  {note.line()}" for note in draft.notes(wishes)),
            f"the spec to start from, {draft.settings.site.envs_dir / draft.name}.yml (for playbooks/lock.yml):",
            *(f"  {line}" for line in draft.spec(asked).splitlines()),
        ]
    )
