"""Make the indexes of a mirror: `repodata.json` of a channel (CEP 36), and the package index for pip (PEP 503).

A package's record is what py-rattler reads from the archive, with md5 and dependencies from the lock. Channels repair
the dependencies of archives that are already published (conda-forge's repodata patches), and the lock was solved with
the repaired ones. An index without the repairs would let a solver combine packages that the channel has declared
incompatible. If both name the same dependencies, the archive's own text stays. Repairs of `constrains` are not in
locks, so a mirror has them as they were built.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # ansible_support.require() reports what to install
    from rattler import RepoDataRecord

from ...module_utils.host.errors import Problem
from ..conda.locked_package import LockError, merge_depends
from .items import Item
from .layout import SIMPLE

REPODATA = "repodata.json"
OTHER_FORMS = ("repodata.json.zst", "repodata.json.bz2", "repodata_shards.msgpack.zst", "current_repodata.json")
"""Other forms of the same index. Clients prefer some of them, so a file that another tool left would win."""

_ONLY_LOCAL = ("fn", "url", "channel")


def read_records(dest: Path, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the records of archives, with their current sha256 and size; return them by path.

    :raises Problem: if one is no conda package
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


def make_record(item: Item, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return an archive's record with md5 and dependencies of the lock.

    :param own: the record that the archive holds
    :raises Problem: if the archive holds another package than the lock names
    """
    identity = (own.get("name"), own.get("version"), own.get("build"))
    if own.get("sha256") != item.sha256 or identity != (item.name, item.version, item.build):
        raise Problem(
            f"{item.path} is not the package that the lock names",
            f"its own index names {' '.join(str(part) for part in identity)}, sha256 {str(own.get('sha256'))[:12]}...",
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


def make_repodata(subdir: str, records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the bytes of a subdir's `repodata.json` (CEP 36).

    :param records: by file name; the same records give the same bytes
    """
    data: dict[str, Any] = {
        "info": {"subdir": subdir},
        "packages": {name: records[name] for name in sorted(records) if name.endswith(".tar.bz2")},
        "packages.conda": {name: records[name] for name in sorted(records) if name.endswith(".conda")},
        "removed": [],
        "repodata_version": 1,
    }
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def read_repodata(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records of a `repodata.json` by file name; {} if it is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
        found = {**data["packages"], **data["packages.conda"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {str(name): dict(entry) for name, entry in found.items() if isinstance(entry, dict)}


def is_archive(name: str) -> bool:
    """Return whether a file name is that of a conda package."""
    return bool(re.search(r"[.](conda|tar[.]bz2)\Z", name))


def simple_pages(wheels: Mapping[str, str]) -> dict[str, bytes]:
    """Return the bytes of the pages of a package index for pip and uv (PEP 503), by path.

    :param wheels: sha256 by path, `simple/<name>/<wheel>`
    """
    names: dict[str, list[str]] = {}
    for path in sorted(wheels):
        names.setdefault(path.split("/")[1], []).append(path)
    pages = {}
    for name, paths in names.items():
        links = [(f"{path.split('/')[2]}#sha256={wheels[path]}", path.split("/")[2]) for path in paths]
        pages[f"{SIMPLE}/{name}/index.html"] = _page(f"Links for {name}", links)
    if names:
        pages[f"{SIMPLE}/index.html"] = _page("Packages", [(f"{name}/", name) for name in names])
    return pages


def _page(title: str, links: Iterable[tuple[str, str]]) -> bytes:
    rows = [f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>' for url, text in links]
    head = f"<!DOCTYPE html><html><head><title>{title}</title></head>"
    return "\n".join([head, "<body>", *rows, "</body></html>", ""]).encode()
