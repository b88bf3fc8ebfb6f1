"""What is wrong in one generation: all of it counted, the first of each sort named."""

from __future__ import annotations

from .reading import Obs, redact


class Problems:
    """What is wrong in one generation: all of it is counted, the first of each sort are named."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str, str]] = []

    def add(self, what: str, path: str, why: str = "") -> None:
        """`what` is missing, altered, extra, odd, mode, owner or unreadable."""
        self.items.append((what, path, why))

    def result(self, cap: int, packages: dict[str, str]) -> Obs:
        """The counts, and up to `cap` of the problems; every sort has its share."""
        by: dict[str, int] = {}
        owners: dict[str, int] = {}
        for what, path, _ in self.items:
            by[what] = by.get(what, 0) + 1
            if path in packages:
                owners[packages[path]] = owners.get(packages[path], 0) + 1
        share = max(3, cap // max(1, len(by)))
        shown: list[Obs] = []
        taken: dict[str, int] = {}
        for what, path, why in sorted(self.items, key=lambda item: (item[1].count("/") > 40, item[1])):
            if taken.get(what, 0) < share:
                taken[what] = taken.get(what, 0) + 1
                item = {"what": what, "path": path[:400]}
                if why:
                    item["why"] = redact(why)[:200]
                if path in packages:
                    item["package"] = packages[path]
                shown.append(item)
        top = sorted(owners.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
        return {"total": len(self.items), "by": by, "shown": shown, "packages": dict(top)}
