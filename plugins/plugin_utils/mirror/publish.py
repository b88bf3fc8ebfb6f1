"""Change what clients read, in an order that survives a kill at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...module_utils.host import fs
from . import files
from .clients import RECORDS
from .mirror import Mirror


def publish(
    mirror: Mirror,
    indexes: Mapping[str, bytes],
    lists: Mapping[str, bytes],
    stale: Sequence[str],
    records: Mapping[str, dict[str, Any]],
) -> None:
    """Write what clients read, then the lists, then take away what nothing names any more.

    :param records: what archives say of themselves, to be remembered by their sha256
    :raises OSError: where a file cannot be written
    """
    dest, pruned = mirror.dest, mirror.outcome.pruned
    fs.sync_filesystem(str(dest))
    for path in stale:
        files.remove(dest, path)
    for path, data in indexes.items():
        files.put(dest / path, data)
    for path in sorted(lists, reverse=True):  # contents.json after the texts
        files.put(dest / path, lists[path])
    for path in pruned:
        files.remove(dest, path)
    mirror.seen.keep(set(mirror.seen.entries) - set(pruned))
    files.put(mirror.state / RECORDS, json.dumps(records, sort_keys=True).encode())
