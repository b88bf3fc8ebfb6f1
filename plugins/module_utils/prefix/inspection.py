"""The only verification of an environment: compare it with its manifest and plan. Python 3.9, standard library.

Used by the installer, by check mode and by the audit's observer. It only reads: regular files, with a limit of
bytes and a deadline. A new rule (a mode bit, a file type, an attribute) is added here once.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ..host import install_plan as plans
from ..host.install_plan import InstallPlan
from ..host.reading import HUGE, read, reason
from .damage import Damage, DamageKind, permission_damage, type_of
from .hashing import Hasher, Status, sha256_text, walk
from .manifest import MANIFEST, NOT_LISTED, Entry, read_manifest
from .marker import FOLDER, MARKER, Marker, read_marker
from .packages import METADATA, RECORD, load_records, metadata_files, site_packages

DEPTHS = ("names", "stats", "hashes")
"""How deep a generation is inspected: checksums of marker and manifest, names of records and of Python's metadata;
size, time, mode and owner of every file; the sha256 of every file as well."""


class Place(NamedTuple):
    """The paths of one generation of an environment; `name` is the beginning of its digest."""

    root: str
    env: str
    name: str

    @property
    def tree(self) -> str:
        """The generation itself."""
        return os.path.join(self.root, "generations", self.env, self.name)

    @property
    def in_use_lock(self) -> str:
        """Its in-use lock: beside it, so that a repair does not exchange it."""
        return os.path.join(self.root, "generations", self.env, f".{self.name}.inuse")

    @property
    def plan_file(self) -> str:
        """The install plan that it was made from."""
        return os.path.join(self.root, "state", "locks", self.env, self.name + ".json")

    @property
    def stamp(self) -> str:
        """A text that changes whenever the generation or a file that belongs to it is made or exchanged."""
        found: list[int] = []
        for path in (self.tree, os.path.join(self.tree, MARKER), self.in_use_lock, self.plan_file):
            try:
                status = os.lstat(path)
                found += status.st_dev, status.st_ino, status.st_mode, status.st_ctime_ns
            except OSError:
                found.append(0)
        return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


class Inspection(NamedTuple):
    """The result of the inspection of one generation.

    `damage`: what is wrong with the tree, which a repair exchanges; `beside`: what is wrong beside it, which is
    restored in place; `manifest` is empty where it is not valid; `touched`: files with another time and the right
    content; `hashed`: files whose content was compared; `size`: bytes.
    """

    marker: Optional[Marker] = None
    manifest: dict[str, Entry] = {}
    damage: list[Damage] = []
    beside: list[Damage] = []
    files: int = 0
    size: int = 0
    touched: int = 0
    hashed: int = 0


def inspect(place: Place, depth: str, hasher: Hasher, digest: str = "") -> Inspection:
    """Inspect one generation.

    A file whose size is right and whose time is not (a copied disk image) is hashed, and counts by its content.

    :param depth: one of `DEPTHS`
    :param digest: the digest that the generation should have, if that is known
    :raises OSError: if the generation is missing
    :raises OutOfTime: after the hasher's deadline
    """
    os.lstat(place.tree)
    beside = list(_beside(place, depth))
    marker, why = read_marker(place.tree)
    if marker is None:
        return Inspection(damage=[Damage(DamageKind.UNFINISHED, MARKER, why)], beside=beside)
    damage = list(_marker_damage(place, marker, digest))
    try:
        manifest = read_manifest(place.tree, marker.manifest)
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else reason(error)
        return Inspection(marker, damage=[*damage, Damage(DamageKind.MANIFEST, MANIFEST, why)], beside=beside)
    if depth == "names":
        try:
            damage += _names_damage(place.tree, manifest)
        except OSError as error:
            path = os.path.relpath(str(error.filename), place.tree)
            damage.append(Damage(DamageKind.UNREADABLE, path, error.strerror or str(error)))
        return Inspection(marker, manifest, _sorted(damage), beside)
    found = _Tree(place.tree, manifest, hasher)
    found.compare(depth == "hashes")
    if depth == "hashes":
        damage += _record_damage(place, hasher)
    return Inspection(
        marker,
        manifest,
        _sorted([*damage, *found.damage]),
        beside,
        found.files,
        found.size,
        found.touched,
        found.hashed,
    )


def _sorted(damage: list[Damage]) -> list[Damage]:
    return sorted(damage, key=lambda item: (item.path, item.kind.value))


def kept_plan(place: Place) -> InstallPlan:
    """Return the install plan that a generation was made from.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is damaged, or is that of another generation
    """
    try:
        plan = InstallPlan.from_json(json.loads(read(place.plan_file, HUGE)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if (plan.name, plan.generation) != (place.env, place.name):
        raise ValueError(f"it is that of {plan.name}/{plan.generation}")
    return plan


def _beside(place: Place, depth: str) -> Iterator[Damage]:
    """Compare what belongs to a generation and lies beside it."""
    path = os.path.basename(place.in_use_lock)
    try:
        mode = os.lstat(place.in_use_lock).st_mode
        if not stat.S_ISREG(mode):
            yield Damage(DamageKind.IN_USE_LOCK, path, "is not a regular file")
        elif mode & 0o022 or mode & 0o444 != 0o444:
            yield Damage(DamageKind.IN_USE_LOCK, path, f"mode {stat.S_IMODE(mode):04o}, not 0444")
    except OSError as error:
        yield Damage(DamageKind.IN_USE_LOCK, path, error.strerror or str(error))
    if depth == "names":
        return
    path = os.path.relpath(place.plan_file, place.root)
    try:
        kept_plan(place)
    except FileNotFoundError:
        yield Damage(DamageKind.INSTALL_PLAN, path, "is missing")
    except (OSError, ValueError) as error:
        yield Damage(DamageKind.INSTALL_PLAN, path, reason(error) if isinstance(error, OSError) else str(error))


def _marker_damage(place: Place, marker: Marker, digest: str) -> Iterator[Damage]:
    """Compare what the completion marker says with the place where it is."""
    if (marker.env, plans.short(marker.digest)) != (place.env, place.name):
        why = f"its completion marker is that of {marker.env}/{plans.short(marker.digest)}"
        yield Damage(DamageKind.IDENTITY, MARKER, why)
    elif plans.short(digest) == place.name and digest != marker.digest:
        yield Damage(DamageKind.IDENTITY, MARKER, f"its digest is {marker.digest}, and {digest} is declared")
    elif marker.layout != plans.LAYOUT:
        why = f"its layout is {marker.layout}, and this version of Lockstep builds {plans.LAYOUT}"
        yield Damage(DamageKind.IDENTITY, MARKER, why)


def _record_damage(place: Place, hasher: Hasher) -> Iterator[Damage]:
    """Compare the packages that the records name with those of the install plan."""
    keys = ("name", "version", "build", "subdir", "sha256")
    try:
        plan = kept_plan(place)
        records, unreadable = load_records(place.tree, hasher.deadline)
    except (OSError, ValueError):  # named already, as the install plan or a folder
        return
    for name in unreadable:
        yield Damage(DamageKind.IDENTITY, f"conda-meta/{name}", "this record cannot be read")
    planned = {tuple(getattr(package, key) for key in keys) for package in plan.packages}
    found = {tuple(str(record.get(key, "")) for key in keys) for record in records}
    for items, why in ((found - planned, "is recorded, and not in the install plan"),
                       (planned - found, "is in the install plan, and not recorded")):  # fmt: skip
        for name, version, build, *_unused in sorted(items):
            path = f"conda-meta/{name}-{version}-{build}.json"
            yield Damage(DamageKind.IDENTITY, path, f"{name} {version} {build} {why}")


def _listed(kind: DamageKind, path: str, why: str = "") -> Damage:
    """Return damage to a file, by its own kind where it is a package's record."""
    by_record = kind in (DamageKind.MISSING, DamageKind.ALTERED, DamageKind.EXTRA) and RECORD.match(path)
    return Damage(DamageKind.RECORD, path, why or kind.value[5:]) if by_record else Damage(kind, path, why)


def _no_folder(status: Status) -> Damage:
    """Return the damage of a generation that is, for example, a link to another one."""
    return Damage(DamageKind.ALTERED, ".", f"is a {type_of(status)}, not a folder")


def _names_damage(tree: str, manifest: dict[str, Entry]) -> Iterator[Damage]:
    """Compare records and Python's metadata by their names alone."""
    sites = site_packages(tree)
    top = os.lstat(tree)
    if not stat.S_ISDIR(top.st_mode):
        yield _no_folder(top)
    for path in ("", "conda-meta", FOLDER, *sites):
        yield from permission_damage(path, os.lstat(os.path.join(tree, path)), top.st_uid)
    known = {path for path in manifest if RECORD.match(path) or METADATA.match(path)}
    found = {"conda-meta/" + name for name in os.listdir(os.path.join(tree, "conda-meta")) if name.endswith(".json")}
    for site in sites:
        found |= {path for path in metadata_files(tree, site) if METADATA.match(path)}
    for path in known - found:
        yield _listed(DamageKind.MISSING, path)
    for path in found - known:
        yield _listed(DamageKind.EXTRA, path)


class _Tree:
    """One comparison of a whole tree with its manifest."""

    def __init__(self, tree: str, manifest: dict[str, Entry], hasher: Hasher) -> None:
        self.tree, self.manifest, self.hasher = tree, manifest, hasher
        self.damage: list[Damage] = []
        self.files = self.size = self.touched = self.hashed = 0

    def compare(self, all_contents: bool) -> None:
        """Walk the tree once, and hash what has to be read."""
        owner = os.lstat(self.tree).st_uid
        present, contents = set(), []
        unseen: list[str] = []

        def failed(folder: str, error: OSError) -> None:
            unseen.append(folder + "/" if folder else "")
            self._add(DamageKind.UNREADABLE, folder or ".", error.strerror or str(error))

        for path, status in walk(self.tree, self.hasher.deadline, failed):
            self.damage += permission_damage(path, status, owner)
            entry = self.manifest.get(path)
            if entry is not None:
                present.add(path)
            if stat.S_ISDIR(status.st_mode):
                if entry is not None:
                    self._add(DamageKind.ALTERED, path, "is a folder now")
                continue
            if path in NOT_LISTED:
                continue
            if not path:
                self.damage.append(_no_folder(status))
                continue
            self.files, self.size = self.files + 1, self.size + status.st_size
            if entry is None:
                self._add_extra(path, status)
            elif (
                self._same_stats(path, entry, status)
                and entry.kind == "f"
                and (all_contents or entry.mtime_ns != status.st_mtime_ns)
            ):
                contents.append((path, status))
        for path in self.manifest.keys() - present:
            if not path.startswith(tuple(unseen)):  # files in a folder that cannot be read do not count as absent
                self._add(DamageKind.MISSING, path)
        self._compare_contents(contents)

    def _add(self, kind: DamageKind, path: str, why: str = "") -> None:
        self.damage.append(_listed(kind, path, why))

    def _add_extra(self, path: str, status: Status) -> None:
        what = type_of(status)
        kind = DamageKind.EXTRA if what in ("file", "link") else DamageKind.SPECIAL
        self._add(kind, path, "" if what == "file" else f"a {what}")

    def _same_stats(self, path: str, entry: Entry, status: Status) -> bool:
        """Compare type, size and a link's text; return whether they agree."""
        what = type_of(status)
        if what != ("file" if entry.kind == "f" else "link"):
            self._add(DamageKind.ALTERED, path, f"is a {what} now")
        elif entry.kind == "l" and sha256_text(os.readlink(os.path.join(self.tree, path))) != entry.sha256:
            self._add(DamageKind.ALTERED, path, "points elsewhere")
        elif entry.kind == "f" and status.st_size != entry.size:
            self._add(DamageKind.ALTERED, path, f"{status.st_size} bytes, not {entry.size}")
        else:
            return True
        return False

    def _compare_contents(self, contents: list[tuple[str, Status]]) -> None:
        self.hashed = len(contents)
        for path, found in self.hasher.entries(self.tree, contents).items():
            entry = self.manifest[path]
            if isinstance(found, OSError):
                self._add(DamageKind.UNREADABLE, path, found.strerror or str(found))
            elif found.sha256 != entry.sha256:
                self._add(DamageKind.ALTERED, path, "other contents of the same size")
            elif found.mtime_ns != entry.mtime_ns:
                self.touched += 1
