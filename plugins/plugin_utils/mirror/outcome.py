"""What a run did, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...module_utils.host.disk_space import human


@dataclass
class Outcome:
    """What a run did, or in check mode would do; paths are below the mirror."""

    changed: bool = False
    fetched: dict[str, int] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    prunable: dict[str, int] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def difference(self) -> list[str]:
        """Return lines that tell what changed."""
        lines = [
            f"{'~' if path in self.repaired else '+'} {path}  {_known(size)}" for path, size in self.fetched.items()
        ]
        lines += [f"- {path}" for path in self.pruned]
        return lines + [f"~ {path}" for path in self.indexes]


def _known(size: int) -> str:
    return human(size) if size >= 0 else "size not known"
