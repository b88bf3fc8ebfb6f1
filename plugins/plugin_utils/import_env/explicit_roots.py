"""What a spec has to name of all that an environment holds: the rest comes by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..conda.lockfile import Lock
from ..core.findings import errors
from ..core.text import some
from ..lock.outcome import Outcome as Locked
from .discovered import CHANGED, KEPT, LEFT_OUT, PART_OF_A_PLATFORM, Wish
from .draft import SHOWN, Draft
from .solving import lock, solve


def solve_roots(draft: Draft, wishes: list[Wish]) -> tuple[list[Wish], Locked]:
    """Solve a list of all packages for the platform that it is of, and then for all what nothing else there needs.

    :raises ImportFailed: where there is no solution
    """
    platforms, draft.platforms = draft.platforms, [draft.home]
    wishes, outcome = solve(draft, wishes)
    draft.platforms = platforms
    whole = Lock.loads(str(outcome.new_text))
    by_name = {one.name: one for one in wishes}
    names = _roots(wishes, _needs(whole, draft.home), several=draft.platforms != [draft.home])
    kept = [by_name[name] if name == "python" else replace(by_name[name], version="") for name in sorted(names)]
    draft.limit(kept)
    draft.found.note(
        CHANGED,
        f"nobody knows what was asked for: the spec has the {len(kept)} packages that no other needs, and "
        f"{len(wishes) - len(kept)} come with them, at the versions that the lock keeps",
    )
    draft.preferred[draft.home] = [package for package in whole.of(draft.home) if package.manager == "conda"]
    return solve(draft, kept)


def _roots(wishes: Sequence[Wish], needs: Mapping[str, set[str]], several: bool) -> set[str]:
    """Return the names that bring all others: what nothing needs, python, and one of each circle.

    :param needs: for each package which of the others it needs
    :param several: whether there are several platforms, so that what is part of one is not asked for
    """
    names = {one.name for one in wishes}
    frameworks = {one.name for one in wishes if one.build.startswith("cpu")}  # CUDA is what the channel means anyway
    parts = {name for name in names if PART_OF_A_PLATFORM.match(name)} if several else set()
    needed = _needed(needs)
    asked = ({name for name in names if name not in needed} | frameworks | ({"python"} & names)) - parts
    while rest := sorted(names - _reached(asked, needs) - parts):
        asked.add(rest[0])
    return asked


def add_the_rest(draft: Draft, wishes: list[Wish], outcome: Locked) -> tuple[list[Wish], Locked]:
    """Add what the environment holds although nobody asked for it and nothing needs it (pip, most of all)."""
    if not any(known.url for known in draft.found.packages.values()):
        return wishes, outcome  # lines that somebody wrote: they are all there is
    preferred = draft.preferred.get(draft.home, [])
    for _unused in range(3):
        have = {package.name for package in Lock.loads(str(outcome.new_text)).of(draft.home)}
        missing = {
            package.name: {name for name, _unused in package.dependencies}
            for package in preferred
            if package.name not in have and all(package.name in draft.names[p] for p in draft.platforms)
        }
        if not missing:
            break
        roots = sorted(missing.keys() - _needed(missing)) or sorted(missing)[:1]
        more = [Wish(name) for name in roots]
        attempt = lock(draft, [*wishes, *more], outcome.new_text)
        if errors(attempt.findings):
            draft.found.note(LEFT_OUT, f"{some(roots, SHOWN)}: nobody asked for it, and it does not fit the rest")
            break
        draft.found.note(KEPT, f"{some(roots, SHOWN)}: nobody asked for it by name, and it was there")
        wishes, outcome = [*wishes, *more], attempt
    return wishes, outcome


def _needs(whole: Lock, platform: str) -> dict[str, set[str]]:
    """Return for each package of a platform which of the others it needs."""
    packages = [package for package in whole.of(platform) if package.manager == "conda"]
    names = {package.name for package in packages}
    return {package.name: {d for d, _unused in package.dependencies if d in names} for package in packages}


def _needed(needs: Mapping[str, set[str]]) -> set[str]:
    """Return what any package other than itself needs."""
    return {need for name, all_of_it in needs.items() for need in all_of_it if need != name}


def _reached(start: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    """Return what some packages bring, themselves included."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += needs.get(name, ())
    return seen
