"""Choose the packages that a spec must name so that all others of an environment come as dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..conda.lockfile import Lock
from ..core.findings import errors
from ..core.text import some
from ..lock.outcome import Outcome as LockOutcome
from .discovered import CHANGED, KEPT, LEFT_OUT, PART_OF_A_PLATFORM, Requested
from .draft import SHOWN, Draft
from .solving import lock, solve


def solve_roots(draft: Draft, requested: list[Requested]) -> tuple[list[Requested], LockOutcome]:
    """Solve a list of all packages for its own platform, then the packages that no other needs for all platforms.

    :return: the requested packages, and the outcome of locking them
    :raises ImportFailed: if there is no solution
    """
    platforms, draft.platforms = draft.platforms, [draft.home]
    requested, outcome = solve(draft, requested)
    draft.platforms = platforms
    whole = Lock.loads(str(outcome.new_text))
    by_name = {one.name: one for one in requested}
    names = _roots(requested, _needs(whole, draft.home), several=draft.platforms != [draft.home])
    kept = [by_name[name] if name == "python" else replace(by_name[name], version="") for name in sorted(names)]
    draft.limit(kept)
    draft.discovered.note(
        CHANGED,
        f"it is unknown what people requested: the spec has the {len(kept)} packages that no other needs; "
        f"{len(requested) - len(kept)} more come as dependencies, at the versions in the lock",
    )
    draft.preferred[draft.home] = [package for package in whole.of(draft.home) if package.manager == "conda"]
    return solve(draft, kept)


def _roots(requested: Sequence[Requested], needs: Mapping[str, set[str]], several: bool) -> set[str]:
    """Return the names that bring all others: packages that no other needs, python, and one of each cycle.

    :param needs: by package, the names of its dependencies
    :param several: whether there are several platforms, so that parts of one platform are not requested
    """
    names = {one.name for one in requested}
    frameworks = {one.name for one in requested if one.build.startswith("cpu")}  # CUDA builds are the channel's default
    parts = {name for name in names if PART_OF_A_PLATFORM.match(name)} if several else set()
    needed = _needed(needs)
    roots = ({name for name in names if name not in needed} | frameworks | ({"python"} & names)) - parts
    while rest := sorted(names - _reachable(roots, needs) - parts):
        roots.add(rest[0])
    return roots


def add_the_rest(draft: Draft, requested: list[Requested], outcome: LockOutcome) -> tuple[list[Requested], LockOutcome]:
    """Add packages of the environment that no person requested and no other package needs (pip, most often)."""
    if not any(known.url for known in draft.discovered.packages.values()):
        return requested, outcome  # a person wrote these lines; there is nothing to add
    preferred = draft.preferred.get(draft.home, [])
    for _unused in range(3):
        locked = {package.name for package in Lock.loads(str(outcome.new_text)).of(draft.home)}
        missing = {
            package.name: {name for name, _unused in package.dependencies}
            for package in preferred
            if package.name not in locked and all(package.name in draft.names[p] for p in draft.platforms)
        }
        if not missing:
            break
        roots = sorted(missing.keys() - _needed(missing)) or sorted(missing)[:1]
        more = [Requested(name) for name in roots]
        attempt = lock(draft, [*requested, *more], outcome.new_text)
        if errors(attempt.findings):
            draft.discovered.note(LEFT_OUT, f"{some(roots, SHOWN)}: not requested by name, conflicts with the rest")
            break
        draft.discovered.note(KEPT, f"{some(roots, SHOWN)}: not requested by name, but part of the environment")
        requested, outcome = [*requested, *more], attempt
    return requested, outcome


def _needs(whole: Lock, platform: str) -> dict[str, set[str]]:
    """Return by package of a platform the names of its dependencies there."""
    packages = [package for package in whole.of(platform) if package.manager == "conda"]
    names = {package.name for package in packages}
    return {package.name: {d for d, _unused in package.dependencies if d in names} for package in packages}


def _needed(needs: Mapping[str, set[str]]) -> set[str]:
    """Return the names that some other package needs."""
    return {need for name, all_of_it in needs.items() for need in all_of_it if need != name}


def _reachable(start: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    """Return some packages and all their direct and indirect dependencies."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += needs.get(name, ())
    return seen
