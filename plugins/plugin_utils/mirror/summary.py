"""Lines for people: what of a tier is in a mirror, and how large it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils.host.disk_space import human
from .mirror import Mirror
from .plan import Wanted


def of_tier(want: Wanted, files: Mapping[str, Mapping[str, Any]], tier: str) -> list[str]:
    """Return lines for people: what of a tier is in the mirror."""
    lines = []
    for one in want.locks:
        if one.tier != tier:
            continue
        for platform in sorted(set(one.lock.platforms) & set(want.platforms)):
            of = [file for file in files.values() if one.use(platform) in file["uses"]]
            kind = "previous lock" if one.previous else "lock"
            lines.append(
                f"{one.env:<12} {platform:<15} {len(of):>4} packages  {human(sum(file['size'] for file in of)):>9}  "
                f"{kind} {one.sha256[:12]}"
            )
    return lines


def sizes(files: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for people: how many files of each kind, and their size."""
    count: dict[str, int] = {}
    total = 0
    for file in files:
        count[file["kind"]] = count.get(file["kind"], 0) + 1
        total += file["size"]
    words = {"conda": "package", "miniconda": "installer", "rattler": "rattler wheel", "pip": "pip wheel"}
    said = [f"{count[kind]} {words[kind]}{'s' * (count[kind] > 1)}" for kind in words if kind in count]
    return ", ".join([*said, human(total)])


def of_mirror(mirror: Mirror, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return lines for people: what of all tiers is in the mirror, and what could be pruned."""
    lines = [f"{mirror.dest}: {sizes([file for file in files.values() if file['uses']])}"]
    for tier in mirror.want.tiers:
        lines += [f"{tier:<6} {line}" for line in of_tier(mirror.want, files, tier)]
    if prunable := mirror.outcome.prunable:
        lines.append(
            f"{len(prunable)} files that no chosen lock needs stay, "
            f"{human(sum(prunable.values()))}; -e prune=true removes them"
        )
    return lines
