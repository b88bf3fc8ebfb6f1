"""What is wrong with a tree, in short words."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.damage import Damage
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import Hasher
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.inspection import Place, inspect


def inspected(tree: str, depth: str) -> list[Damage]:
    """The damage inside a generation, found by its path."""
    path = Path(tree)
    return inspect(Place(str(path.parents[2]), path.parent.name, path.name), depth, Hasher()).damage


def damage_of(tree: str, depth: str = "stats") -> list[str]:
    """Kind and path of each; the kinds of files without their prefix: "altered lib/b"."""
    return [f"{item.kind.value.replace('file-', '')} {item.path}" for item in inspected(tree, depth)]
