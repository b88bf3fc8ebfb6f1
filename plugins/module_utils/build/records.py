"""Verify the records in `conda-meta` against the plan, and the files against the records. Python 3.9, stdlib.

py-rattler 0.28 leaves this to correct: records are mode 0600, lack what a lock does not hold (license, constrains,
timestamp, ...), and `sha256_in_prefix` stands only where it differs; for a symbolic link it is the hash of the link's
text.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from typing import Any, NamedTuple, Optional

from ..host import fs
from ..host.install_plan import InstallPlan, PlannedPackage
from ..prefix.hashing import entries_of, entry_of, files_of, sha256_file
from ..prefix.manifest import Entry
from ..prefix.marker import FOLDER

FROM_INDEX = (
    "arch",
    "constrains",
    "features",
    "license",
    "license_family",
    "platform",
    "purls",
    "timestamp",
    "track_features",
)
"""Keys of a package's own info/index.json that go into the record where the rattler runtime left them out."""

LISTS = ("files", "has_prefix", "index.json", "link.json", "no_link", "no_softlink", "paths.json")
"""Files of a package's `info` folder that steer how it is linked."""


class Recorded(NamedTuple):
    """What the records of one tree promise.

    `files`: path to sha256 (None where a package gives none); `links`: path to sha256 of the link's text;
    `originals`: files of the cache (absolute path to sha256) whose copy holds another prefix. The rattler runtime
    records the hash of the copy that it made, so the original in the cache is hashed as well;
    `content`: one digest of it all; `scripts`: whether a package has a post-link script, which may make files of its
    own; `aside`: files that the rattler runtime put aside since another package brings the same ("share/x of beta").
    """

    files: dict[str, Optional[str]]
    links: dict[str, str]
    originals: dict[str, str]
    content: str
    scripts: bool
    aside: list[str]


class VerificationError(Exception):
    """The installed tree is not what was asked for; `stems` are cache entries that cannot be relied on."""

    def __init__(self, problems: list[str], stems: Optional[list[str]] = None) -> None:
        super().__init__(f"{len(problems)} problems: " + "; ".join(problems[:5]))
        self.problems, self.stems = problems, stems or []


def read_records(new: str, plan: InstallPlan, pkgs: str, checksums: str, refetched: frozenset[str]) -> Recorded:
    """Compare every record with the plan, complete it from the package cache, and gather what it promises.

    One record at a time: those of a large environment hold hundreds of thousands of paths.

    :param checksums: folder that keeps for each archive the digest of its lists (`LISTS`) when it was first seen. A
        cache entry that was altered together with its own paths.json passes every check which relies on that list.
    :param refetched: stems whose cache entry was made anew from a verified archive in this run, so that a checksum
        which differs was the wrong one
    :raises VerificationError: if a record differs from the plan, or a file list from its checksum
    :raises OSError: if one cannot be read or written
    """
    wanted = {p.stem: p for p in plan.packages}
    site_packages = next((p.python_site_packages_path for p in plan.packages if p.name == "python"), None)
    meta = os.path.join(new, "conda-meta")
    problems, doubted = [], []
    files: dict[str, Optional[str]] = {}
    links: dict[str, str] = {}
    originals: dict[str, str] = {}
    content = hashlib.sha256()
    scripts = False
    aside = []
    present = {name[:-5] for name in os.listdir(meta) if name.endswith(".json")}
    problems += [f"conda-meta has a record that the plan does not: {stem}" for stem in sorted(present - set(wanted))]
    for stem, package in sorted(wanted.items()):
        if stem not in present:
            problems.append(f"conda-meta has no record of {stem}")
            continue
        path = os.path.join(meta, stem + ".json")
        text = fs.read_file(path)
        try:
            record = json.loads(text)
            items = record["paths_data"]["paths"]
            problems += _differences(record, package, stem)
            index = json.loads(fs.read_file(os.path.join(pkgs, stem, "info", "index.json")))
            problems += [
                f"{stem}: the archive says {key} {index.get(key)!r}"
                for key in ("name", "version", "build")
                if str(index.get(key)) != getattr(package, key)
            ]
            checksum = _checksum(os.path.join(pkgs, stem))
            for item in items:
                original = item.get("original_path") or item["_path"]
                if original != item["_path"]:
                    aside.append(f"{original} of {package.name}")
                promised = item.get("sha256_in_prefix") or item.get("sha256")
                if item["path_type"] == "softlink":
                    links[item["_path"]] = promised or ""
                else:
                    files[item["_path"]] = promised
                    if item.get("sha256") and item.get("sha256_in_prefix") not in (None, item["sha256"]):
                        origin = os.path.join(pkgs, stem, _in_package(original, package, site_packages))
                        originals[origin] = item["sha256"]
                content.update(f"{item['_path']}\0{promised or ''}\0".encode("utf-8", "surrogateescape"))
                scripts = scripts or item["_path"] in (f"bin/.{package.name}-post-link.sh",)
        except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
            problems.append(f"{stem}: unreadable record or index.json ({type(error).__name__}: {error})")
            doubted.append(stem)
            continue
        if not _known_checksum(checksums, package.sha256, checksum, stem in refetched):
            problems.append(f"{stem}: what the package cache says of it is not what was first seen for this archive")
            doubted.append(stem)
        _complete(path, text, record, index)
    if problems:
        raise VerificationError(problems, doubted)
    return Recorded(files, links, originals, content.hexdigest(), scripts, aside)


def _differences(record: dict[str, Any], package: PlannedPackage, stem: str) -> list[str]:
    """Return the differences between a record and the plan."""
    return [
        f"{stem}: its record says {key} {record.get(key)!r}, the plan {getattr(package, key)!r}"
        for key in ("name", "version", "build", "subdir", "sha256")
        if record.get(key) != getattr(package, key)
    ]


def _in_package(path: str, package: PlannedPackage, site_packages: Optional[str]) -> str:
    """Return where a file of an environment lies inside its package: noarch python packages are mapped when linked."""
    if package.noarch != "python":
        return path
    found = re.match(r"(lib/python[0-9.]+t?/site-packages)/(.*)", path, re.DOTALL)
    if found or (site_packages and path.startswith(site_packages + "/")):
        return "site-packages/" + (found[2] if found else path[len(site_packages or "") + 1 :])
    return "python-scripts/" + path[len("bin/") :] if path.startswith("bin/") else path


def _checksum(entry: str) -> str:
    """Return the digest of what a cache entry says about its package: files that no list of the package covers.

    They are what the archive holds, whatever environment it is linked into. Where there is no paths.json (in archives
    older than 2017), no list covers any file, so all belong to it.

    :raises OSError: if one is there and cannot be read
    """
    listed = [f"info/{name}" for name in LISTS]
    if not os.path.exists(os.path.join(entry, "info", "paths.json")):
        listed += fs.read_file(os.path.join(entry, "info", "files")).splitlines()
    total = hashlib.sha256()
    for path in listed:
        try:
            found = entry_of(entry, path).sha256
        except FileNotFoundError:
            found = ""
        total.update(f"{path}\0{found}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _known_checksum(checksums: str, sha256: str, checksum: str, renew: bool) -> bool:
    """Compare a checksum with the one kept for its archive; keep it where there is none."""
    path = os.path.join(checksums, f"{sha256}-info")
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            known = file.read()
    except FileNotFoundError:
        known = ""
    if known == checksum:
        return True
    if len(known) == 64 and not renew:  # a power cut may have left a shorter, invalid text
        return False
    fs.write_file(path, checksum)
    return True


def _complete(path: str, text: str, record: dict[str, Any], index: dict[str, Any]) -> None:
    """Make a record readable by all, and add what the lock could not carry; the rest of its text stays as it is."""
    missing = {key: index[key] for key in FROM_INDEX if index.get(key) is not None and key not in record}
    if missing and text.startswith("{\n"):
        added = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in sorted(missing.items()))
        fs.write_file(path, "{\n" + added + text[2:])
    else:
        os.chmod(path, 0o644)


def repair_modes(new: str) -> dict[str, os.stat_result]:
    """Make everything readable by all and writable by the owner only; return the lstat of every file and link.

    Files share inodes, and so modes, with the package cache: they are touched only where wrong, so once a package.

    :raises OSError: if one cannot be changed
    """
    found = {}
    for path, status in files_of(new).items():
        now = status.st_mode & 0o7777
        want = 0o644 if path.startswith("conda-meta/") else (now | 0o444 | (0o111 if now & 0o100 else 0)) & ~0o7022
        if now != want and (status.st_mode & 0o170000) == 0o100000:
            full = os.path.join(new, path)
            os.chmod(full, want)
            status = os.lstat(full)
        found[path] = status
    return found


def verify(new: str, found: dict[str, os.stat_result], recorded: Recorded) -> dict[str, Entry]:
    """Hash every file of a fresh tree but `conda-meta`, compare it with the records, and return the manifest's entries.

    :raises VerificationError: if a file is missing or altered, or unrecorded though there is no post-link script
    :raises OSError: if one cannot be read
    """
    regular = (stat.S_IFREG, stat.S_IFLNK)
    special = [f"neither file nor link: {p}" for p, s in found.items() if stat.S_IFMT(s.st_mode) not in regular]
    if special:
        raise VerificationError(special)
    ours = {path: status for path, status in found.items() if not path.startswith("conda-meta/")}
    entries = entries_of(new, ours.items())
    problems = [f"missing {path}" for path in (*recorded.files, *recorded.links) if path not in entries]
    problems += [f"unacceptable file name {path!r}" for path in found if "\n" in path]
    problems += _altered_originals(recorded.originals)
    for path, entry in entries.items():
        if path.startswith(FOLDER + "/"):  # what is written there would go into the package cache
            problems.append(f"only Lockstep writes to {path}")
        if path in recorded.links:
            if entry.kind != "l" or recorded.links[path] not in ("", entry.sha256):
                problems.append(f"altered {path}")
        elif path in recorded.files:
            if entry.kind != "f" or recorded.files[path] not in (None, entry.sha256):
                problems.append(f"altered {path}")
        elif not recorded.scripts:
            problems.append(f"unrecorded {path}")
    if problems:
        raise VerificationError(problems)
    return entries


def replace_paths(new: str, final: str, paths: list[str]) -> tuple[list[str], list[str]]:
    """Replace a tree's present path by its final one in texts and links, as post-link scripts write them.

    Return the files that were changed, and those that cannot be: where something else than text holds the path.

    :raises OSError: if one cannot be read or written
    """
    old, right = os.fsencode(new), os.fsencode(final)
    moved, stuck = [], []
    for path in paths:
        full = os.path.join(new, path)
        link = os.path.islink(full)
        if link:
            data = os.fsencode(os.readlink(full))
        else:
            with open(full, "rb") as file:
                data = file.read()
        if old not in data:
            continue
        if b"\0" in data:
            stuck.append(path)
            continue
        mode = os.lstat(full).st_mode & 0o777
        os.unlink(full)  # never into an inode that may be shared
        if link:
            os.symlink(data.replace(old, right), full)
        else:
            with open(full, "wb") as file:
                file.write(data.replace(old, right))
                os.fchmod(file.fileno(), mode)
        moved.append(path)
    return moved, stuck


def _altered_originals(originals: dict[str, str]) -> list[str]:
    """Compare files of the package cache with what their package's list says."""
    problems = []
    for path, wanted in originals.items():
        try:
            if sha256_file(path) != wanted:
                problems.append(f"altered in the package cache: {path}")
        except OSError as error:
            problems.append(f"unreadable in the package cache: {path} ({error.strerror})")
    return problems


def list_urls(pkgs: str, plan: InstallPlan) -> None:
    """Add a plan's urls to the cache's urls.txt: without that file `conda clean` does not see the cache at all.

    :raises OSError: if it cannot be written
    """
    path = os.path.join(pkgs, "urls.txt")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            known = set(file.read().split())
    except FileNotFoundError:
        known = set()
    new = [package.url for package in plan.packages if package.url not in known]
    if new or not known:
        with open(path, "a", encoding="utf-8") as file:  # appended in one write: builders share the cache
            file.write("".join(url + "\n" for url in new))
            os.fchmod(file.fileno(), 0o644)
