"""Make a folder of archives a channel.

A package's record is what py-rattler reads from the archive itself, with two things of the lock laid over it. One is
md5. The other are the dependencies: channels repair those of archives that are long published (conda-forge's repodata
patches), the lock was solved with the repaired ones, and an index without the repairs would let a solver put together
what the channel has withdrawn. Where both say the same, the archive's own words stay. Repairs of `constrains` are in no
lock, so a mirror has them as they were built.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # ansible_support.require() says what to install
    from rattler import RepoDataRecord

from ...module_utils.host.errors import Problem
from ..conda.locked_package import LockError, merge_depends
from .plan import Item

REPODATA = "repodata.json"
OTHER_FORMS = ("repodata.json.zst", "repodata.json.bz2", "repodata_shards.msgpack.zst", "current_repodata.json")
"""Other forms of the same index. Clients prefer some of them, so one that another tool left would be believed."""

_ONLY_LOCAL = ("fn", "url", "channel")


def read_records(dest: Path, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return by path what archives say of themselves, sha256 and size as they are now.

    :raises Problem: where one is no conda package
    """

    async def one(path: str) -> tuple[str, dict[str, Any]]:
        try:
            record = json.loads((await RepoDataRecord.from_package_archive(str(dest / path))).to_json())
        except Exception as error:  # py-rattler's exceptions have no public module
            raise Problem(
                f"{dest / path} cannot be read as a conda package",
                " ".join(str(error).split())[:300],
                "it is the locked file, so the channel's own is broken: lock another version",
            ) from None
        return path, {key: value for key, value in record.items() if key not in _ONLY_LOCAL}

    async def all_of(batch: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        return await asyncio.gather(*(one(path) for path in batch))

    found: dict[str, dict[str, Any]] = {}
    for first in range(0, len(paths), 16):  # each holds a file open
        found.update(asyncio.run(all_of(paths[first : first + 16])))
    return found


def record(item: Item, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return an archive's record with what the lock says laid over it.

    :raises Problem: where the archive is another package than the lock says
    """
    said = (own.get("name"), own.get("version"), own.get("build"))
    if own.get("sha256") != item.sha256 or said != (item.name, item.version, item.build):
        raise Problem(
            f"{item.path} is not the package that the lock says",
            f"its own index says {' '.join(str(part) for part in said)}, sha256 {str(own.get('sha256'))[:12]}...",
            "lock again: the channel's metadata does not fit its files",
        )
    depends = list(own.get("depends", ()))
    try:
        same = merge_depends(depends) == tuple(sorted(item.depends))
    except (LockError, ValueError):
        same = False
    if not same:
        depends = [f"{name} {constraint}".strip() for name, constraint in sorted(item.depends)]
    return {**own, "md5": item.md5, "depends": depends}


def repodata(subdir: str, records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the text of a subdir's `repodata.json` (CEP 36), the same for the same records; keys are file names."""
    data: dict[str, Any] = {
        "info": {"subdir": subdir},
        "packages": {name: records[name] for name in sorted(records) if name.endswith(".tar.bz2")},
        "packages.conda": {name: records[name] for name in sorted(records) if name.endswith(".conda")},
        "removed": [],
        "repodata_version": 1,
    }
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def former(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records of an index that is there, by file name; none where it is damaged."""
    try:
        data = json.loads(path.read_bytes())
        found = {**data["packages"], **data["packages.conda"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {str(name): dict(entry) for name, entry in found.items() if isinstance(entry, dict)}


def is_archive(name: str) -> bool:
    """Whether a file's name is that of a conda package."""
    return bool(re.search(r"[.](conda|tar[.]bz2)\Z", name))
