"""The observer: says what a host really has, as one JSON object. It only reads.

One self-contained file: standard library, Python 3.9, no import of a sibling, because the controller pipes its source
to `python3 -I -S -B -` together with a request. It never runs conda (`conda list` can delete evidence, conda issue
14423), follows no link out of what it looks at, opens regular files only, bounds everything that it reads, and records
what it could not see instead of leaving it out.

Request (JSON object; all but `root` may be left out)::

    {"root": "/opt/lockstep",
     "depth": "names" | "stats" | "hashes",          names: seals and package names; stats: every file's size and mtime;
                                                     hashes: every file's sha256
     "envs": {"train": {"linux-64": "<digest>"}},    declared digests by platform; a string or null do as well
     "base": "/opt/lockstep/miniconda",
     "condarc": "<sha256>",                          the text is sent back only where it is another
     "files": {"bin/lockstep-run": ["<sha256>", 493]},  files below the root, by content and mode
     "home_files": {".config/...": "<sha256>"},      files below the user's home, by content
     "timer": "lockstep-clean.timer",                user timer to look for; else `crontab -l` is asked
     "gpu": false,                                   ask nvidia-smi too, with a timeout
     "cap": 40,                                      how many single problems are named for each environment
     "seconds": 300}                                 after so long it stops looking, and says so

The observation (schema 1) is described in docs/audit.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

SCHEMA = 1
LAYOUT = 1
DEPTHS = ("names", "stats", "hashes")
MARK, MANIFEST = ".lockstep/complete", ".lockstep/manifest"
BASE_MARK = ".lockstep-base.json"
BASELINE = "conda-meta/initial-state.explicit.txt"
SIMULATED = "/etc/lockstep-simulated-gpu"
CHILD_SECONDS = 10
SMALL, LARGE, HUGE = 64 << 10, 8 << 20, 256 << 20  # bounds, in bytes, of what is read of one file

# What conda calls x86-64 microarchitecture levels (archspec; the psABI's supplement), by /proc/cpuinfo's flag names.
LEVELS = (
    ("x86_64_v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("x86_64_v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86_64_v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
PLATFORMS = {
    ("Linux", "x86_64"): "linux-64", ("Linux", "aarch64"): "linux-aarch64", ("Linux", "ppc64le"): "linux-ppc64le",
    ("Darwin", "arm64"): "osx-arm64", ("Darwin", "x86_64"): "osx-64",
}  # fmt: skip

_LINK = re.compile(r"\.\./generations/([^/]+)/([0-9a-f]{12})\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_META = re.compile(r"conda-meta/([^/]+)\.json\Z")
_DIST = re.compile(r"lib/python3[^/]*/site-packages/([^/]+)\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?|egg-link)\Z")
_CUDA = """
import ctypes
for name in ("libcuda.so.1", "libcuda.so", "/usr/lib64/nvidia/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"):
    try:
        library = ctypes.CDLL(name)
        break
    except OSError:
        pass
else:
    raise SystemExit("none")
value = ctypes.c_int()
if library.cuDriverGetVersion(ctypes.byref(value)):
    raise SystemExit("error")
print(value.value)
"""

Obs = dict[str, Any]


class Odd(Exception):
    """What is there is no regular file, or larger than anything that may be read."""


class OutOfTime(Exception):
    """The request's `seconds` are over."""


class Seen:
    """What goes with one look at a host: the clock, errors, and the sha256 of inodes that were read already."""

    def __init__(self, depth: str, cap: int, seconds: float, workers: int) -> None:
        self.depth, self.cap, self.workers = depth, cap, workers
        self.end = time.monotonic() + seconds
        self.errors: list[dict[str, str]] = []
        self.sums: dict[tuple[int, int, int, int], str] = {}

    def error(self, what: str, why: object) -> None:
        """Record something that could not be looked at; nobody may take it for in order."""
        if len(self.errors) < 50:
            self.errors.append({"what": what, "why": redact(reason(why))[:300]})

    def tick(self) -> None:
        """Stop where the time is over.

        :raises OutOfTime: then
        """
        if time.monotonic() > self.end:
            raise OutOfTime("the time given for looking at this host was over")


def reason(why: object) -> str:
    """An exception in a few words, without Python's decoration."""
    if isinstance(why, OSError) and why.strerror:
        return f"{why.strerror}: {why.filename}" if why.filename else why.strerror
    return f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why)


def redact(text: str) -> str:
    """Take user names, passwords, channel tokens and secret parameters out of addresses."""
    text = re.sub(r"(//)[^/@\s\"']+@", r"\1***@", text)
    text = re.sub(r"(/t/)[^/\s\"']+", r"\1***", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:token|key|secret|sig|signature|password)[^=&\s]*=)[^&\s\"']+", r"\1***", text)


def _open(path: str) -> int:
    """Open a regular file for reading: never through a link, never a pipe or device, its access time left alone."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # O_NOATIME is for owners
        handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Odd("not a regular file")
    return handle


def read(path: str, limit: int = SMALL) -> bytes:
    """Read a whole regular file.

    :raises OSError: where it cannot be opened
    :raises Odd: where it is no regular file, or has more than `limit` bytes
    """
    handle = _open(path)
    with open(handle, "rb", buffering=0) as file:
        parts: list[bytes] = []
        total = 0
        while total <= limit:  # /proc's files have no size: read until the end
            part = file.read(limit + 1 - total)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
    raise Odd(f"larger than {limit} bytes")


def read_text(path: str, limit: int = SMALL) -> Optional[str]:
    """The text of a small file, None where there is none (or no readable one)."""
    try:
        return read(path, limit).decode("utf-8", "replace")
    except (OSError, Odd):
        return None


def sha256(path: str, seen: Optional[Seen] = None) -> str:
    """The sha256 of a regular file, remembered by inode: environments share theirs.

    :raises OSError: where it cannot be read
    :raises Odd: where it is no regular file
    """
    handle = _open(path)
    with open(handle, "rb", buffering=0) as file:
        now = os.fstat(handle)
        key = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns)
        if seen is not None and key in seen.sums:
            return seen.sums[key]
        total = hashlib.sha256()
        while True:
            block = file.read(1 << 20)
            if not block:
                break
            total.update(block)
            if seen is not None:
                seen.tick()
        if seen is not None:
            seen.sums[key] = total.hexdigest()
        return total.hexdigest()


# --- a generation -----------------------------------------------------------------------------------------------------


def read_mark(tree: str) -> tuple[Optional[Obs], str]:
    """What the mark of a generation says, and why it is worth nothing ("" where it is).

    The first line is the sha256 of the rest, so that a half-written mark is no mark.
    """
    try:
        seal, body = read(os.path.join(tree, MARK)).decode("utf-8").split("\n", 1)
    except FileNotFoundError:
        return None, "it has no mark: it was never finished"
    except (OSError, Odd) as error:
        return None, reason(error)
    except ValueError:
        return None, "its mark is empty or damaged: it was never finished"
    if hashlib.sha256(body.encode("utf-8")).hexdigest() != seal:
        return None, "its mark does not match its own seal"
    try:
        mark = json.loads(body)
    except (ValueError, RecursionError):
        return None, "its mark is not JSON"
    keys = ("digest", "content", "manifest")
    whole = isinstance(mark, dict) and all(isinstance(mark.get(key), str) for key in keys)
    return (mark, "") if whole else (None, "its mark lacks digest, content or manifest")


def parse_manifest(data: bytes) -> dict[str, tuple[str, int, int, str]]:
    """Map path to (`f` or `l`, size, mtime in ns, sha256).

    :raises ValueError: for a line of another form
    """
    found = {}
    for line in os.fsdecode(data).split("\n"):
        if line:
            kind, size, stamp, digest, path = line.split(" ", 4)
            if kind not in ("f", "l") or len(digest) != 64 or path.startswith("/"):
                raise ValueError(f"line {line[:80]!r}")
            found[path] = (kind, int(size), int(stamp), digest)
    return found


def walk(tree: str, seen: Seen) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below a folder, the folders included, with its lstat. Links are not followed, mounts not entered.

    :raises OSError: where a folder cannot be listed
    :raises OutOfTime: after the request's `seconds`
    """
    top = os.lstat(tree)
    yield "", top
    todo = [("", tree)]
    while todo:
        base, path = todo.pop()
        seen.tick()
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield base + entry.name, status
                if stat.S_ISDIR(status.st_mode) and status.st_dev == top.st_dev:
                    todo.append((base + entry.name + "/", entry.path))


KINDS = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


def kind(status: os.stat_result) -> str:
    """What an entry is, in one word."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "odd")


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


def _check_mode(path: str, status: os.stat_result, owner: int, problems: Problems) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != owner:
        problems.add("owner", path, f"belongs to uid {status.st_uid}")
    if stat.S_ISDIR(status.st_mode):
        if mode != 0o555:
            problems.add("mode", path or ".", f"folder {mode:04o}, not 0555")
    elif stat.S_ISREG(status.st_mode) and (mode & 0o7022 or not mode & 0o004):
        problems.add(
            "mode",
            path,
            "file {:04o}: {}".format(
                mode, "others may write" if mode & 0o022 else "setuid" if mode & 0o7000 else "others may not read"
            ),
        )


def _check_file(tree: str, path: str, known: tuple[str, int, int, str], status: os.stat_result, seen: Seen,
                problems: Problems) -> str:  # fmt: skip
    """Compare one entry with its line of the manifest; says "hash" where its contents are to be read."""
    sort, size, stamp, digest = known
    found = kind(status)
    if found != ("file" if sort == "f" else "link"):
        problems.add("altered", path, f"is a {found} now")
    elif sort == "l":
        text = os.fsencode(os.readlink(os.path.join(tree, path)))
        if hashlib.sha256(text).hexdigest() != digest:
            problems.add("altered", path, "points elsewhere")
    elif status.st_size != size:
        problems.add("altered", path, f"{status.st_size} bytes, not {size}")
    elif seen.depth == "hashes" or status.st_mtime_ns != stamp:
        return "hash"
    return ""


def check_files(tree: str, manifest: dict[str, tuple[str, int, int, str]], seen: Seen) -> tuple[Obs, Problems]:
    """Compare a whole tree with its manifest.

    At depth `stats` a file is read only where its time differs: an image or a copy may have kept no times.
    """
    problems, to_hash, present = Problems(), [], set()
    size = files = touched = 0
    owner = os.lstat(tree).st_uid
    for path, status in walk(tree, seen):
        if kind(status) != "link":
            _check_mode(path, status, owner, problems)
        if kind(status) == "folder" or path in (MARK, MANIFEST):
            if path in manifest:
                present.add(path)
                problems.add("altered", path, "is a folder now")
            continue
        files, size = files + 1, size + status.st_size
        known = manifest.get(path)
        if known is None:
            problems.add("extra" if kind(status) in ("file", "link") else "odd", path,
                         "" if kind(status) == "file" else "a " + kind(status))  # fmt: skip
            continue
        present.add(path)
        if _check_file(tree, path, known, status, seen, problems):
            to_hash.append((path, known[3], status.st_mtime_ns == known[2]))
    for path in manifest.keys() - present:
        problems.add("missing", path)

    def look(path: str, digest: str, in_time: bool) -> tuple[str, str, str]:
        try:
            if sha256(os.path.join(tree, path), seen) != digest:
                return path, "altered", "other contents of the same size"
            return path, "" if in_time else "touched", ""
        except (OSError, Odd) as error:
            return path, "unreadable", reason(error)

    # in chunks: a future for each of 30,000 small files costs more than hashing them
    chunks = [to_hash[at : at + 64] for at in range(0, len(to_hash), 64)]
    with ThreadPoolExecutor(seen.workers) as pool:
        for found in pool.map(lambda chunk: [look(*item) for item in chunk], chunks):
            for path, what, why in found:
                if what == "touched":
                    touched += 1
                elif what:
                    problems.add(what, path, why)
    return {"files": files, "bytes": size, "touched": touched, "hashed": len(to_hash)}, problems


def check_names(tree: str, data: bytes) -> Problems:
    """The quick look: the packages' records and Python's metadata, by name only."""
    problems = Problems()
    for path in (".", "conda-meta", ".lockstep"):
        _check_mode(path, os.lstat(os.path.join(tree, path)), os.lstat(tree).st_uid, problems)
    known = {path for path in parse_manifest(data) if _META.match(path) or _DIST.match(path)}
    found = {"conda-meta/" + name for name in os.listdir(os.path.join(tree, "conda-meta")) if name.endswith(".json")}
    for site in site_packages(tree):
        _check_mode(site, os.lstat(os.path.join(tree, site)), os.lstat(tree).st_uid, problems)
        found |= {path for path in dist_infos(tree, site) if _DIST.match(path)}
    for path in known - found:
        problems.add("missing", path)
    for path in found - known:
        problems.add("extra", path)
    return problems


def site_packages(tree: str) -> list[str]:
    """The site-packages folders of a prefix, relative to it."""
    lib = os.path.join(tree, "lib")
    names = sorted(os.listdir(lib)) if os.path.isdir(lib) else []
    paths = [f"lib/{name}/site-packages" for name in names if name.startswith("python3")]
    return [p for p in paths if os.path.isdir(os.path.join(tree, p)) and not os.path.islink(os.path.join(tree, p))]


def dist_infos(tree: str, site: str) -> list[str]:
    """The METADATA (or PKG-INFO, or .egg-link) paths below one site-packages folder."""
    found = []
    for name in sorted(os.listdir(os.path.join(tree, site))):
        path = f"{site}/{name}"
        if name.endswith(".dist-info"):
            found.append(path + "/METADATA")
        elif name.endswith(".egg-info"):
            found.append(path + "/PKG-INFO" if os.path.isdir(os.path.join(tree, path)) else path)
        elif name.endswith(".egg-link"):
            found.append(path)
    return [path for path in found if os.path.lexists(os.path.join(tree, path))]


def normal(name: str) -> str:
    """A Python distribution's name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe_dist(tree: str, path: str) -> dict[str, str]:
    """Name, version and origin of something that pip installed."""
    match = _DIST.match(path)
    name, _, version = (match.group(1) if match else os.path.basename(path)).partition("-")
    text = read_text(os.path.join(tree, path), 1 << 20) or ""
    for line in text.split("\n\n", 1)[0].split("\n"):
        key, _, value = line.partition(":")
        if key.lower() == "name" and value.strip():
            name = value.strip()[:100]
        elif key.lower() == "version" and value.strip():
            version = value.strip()[:60]
    found = {"name": name, "version": version}
    folder = os.path.dirname(os.path.join(tree, path))
    direct = read_text(os.path.join(folder, "direct_url.json")) if path.endswith("/METADATA") else None
    if direct:
        with contextlib.suppress(ValueError, RecursionError, AttributeError):
            data = json.loads(direct)
            editable = bool(data.get("dir_info", {}).get("editable"))
            how = "editable" if editable else "git" if data.get("vcs_info") else "direct"
            found["from"] = "{} {}".format(how, redact(str(data.get("url", "")))[:200])
    elif path.endswith("egg-link"):
        found["from"] = "editable"
    return found


def find_pip(tree: str, problems: Problems, known: Iterable[str]) -> tuple[list[dict[str, str]], list[str]]:
    """What pip added, and which of conda's packages it overwrote or doubled, from the metadata that is extra.

    :param known: the paths that belong to the tree
    """
    extra = [path for what, path, _ in problems.items if what in ("extra", "altered") and _DIST.match(path)]
    missing = {path for what, path, _ in problems.items if what == "missing"}
    added = [describe_dist(tree, path) for path in sorted(extra)[:50]]
    conda = {}
    for path in known if added else ():
        match = _DIST.match(path)
        if match:
            name, _, version = match.group(1).partition("-")
            conda[normal(name)] = (version, path)
    clobbered = []
    for item in added:
        version, path = conda.get(normal(item["name"]), ("", ""))
        if path in missing:
            clobbered.append(f"{item['name']}: conda's {version} was replaced by pip's {item['version']}")
        elif path:
            clobbered.append(f"{item['name']}: pip's {item['version']} lies over conda's {version}")
    return added, clobbered


def load_records(tree: str, seen: Seen) -> tuple[list[Obs], list[str]]:
    """The conda-meta records of a prefix, and the names of those that cannot be read."""
    found, bad = [], []
    folder = os.path.join(tree, "conda-meta")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            seen.tick()
            try:
                record = json.loads(read(os.path.join(folder, name), 64 << 20))
                if not isinstance(record, dict):
                    raise ValueError("not an object")
                found.append(record)
            except (OSError, Odd, ValueError, RecursionError):
                bad.append(name)
    return found, bad


def owners(records: list[Obs], paths: list[str]) -> dict[str, str]:
    """Map each of the paths to the package whose record lists it."""
    wanted, found = set(paths), {}
    for record in records:
        label = "{}-{}".format(record.get("name"), record.get("version"))
        listed = record.get("files")
        for path in listed if isinstance(listed, list) else []:
            if isinstance(path, str) and path in wanted:
                found[path] = label
    for path in wanted:
        match = _META.match(path)
        if match:
            found[path] = match.group(1).rsplit("-", 1)[0]
    return found


def plan_digest(plan: Obs) -> str:
    """The digest of a plan (the same as plan.digest; this file imports none of its siblings)."""
    identity = {
        "layout": plan["layout"],
        "platform": plan["platform"],
        "packages": sorted([p["name"], p["version"], p["build"], p["subdir"], p["sha256"]] for p in plan["packages"]),
        "pip": sorted([w["name"], w["version"], w["sha256"]] for w in plan["pip"]),
        "variables": plan["variables"],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode("utf-8")).hexdigest()


def check_identity(root: str, env: str, mark: Obs, records: list[Obs], bad: list[str]) -> list[str]:
    """At the deepest look: do the records say the same packages as the plan that the digest stands for?"""
    wrong = [f"the record {name} cannot be read" for name in bad]
    path = os.path.join(root, "state", "locks", env, mark["digest"][:12] + ".json")
    try:
        plan = json.loads(read(path, LARGE))
        if plan_digest(plan) != mark["digest"]:
            return [*wrong, "the plan kept at {} is not the one of digest {}".format(path, mark["digest"][:12])]
        planned = {(p["name"], p["version"], p["build"], p["subdir"], p["sha256"]) for p in plan["packages"]}
    except (OSError, Odd, ValueError, KeyError, TypeError, RecursionError) as error:
        return [*wrong, f"the plan that it was made from cannot be read ({reason(error)})"]
    found = {tuple(str(r.get(k, "")) for k in ("name", "version", "build", "subdir", "sha256")) for r in records}
    wrong += ["{} {} {} is recorded, and not in the plan".format(*item[:3]) for item in sorted(found - planned)]
    wrong += ["{} {} {} is in the plan, and not recorded".format(*item[:3]) for item in sorted(planned - found)]
    return wrong[:20]


def see_generation(root: str, env: str, name: str, declared: Optional[str], seen: Seen) -> Obs:
    """One generation: its mark, its manifest, its files to the depth asked for."""
    tree = os.path.join(root, "generations", env, name)
    result: Obs = {"generation": name}
    mark, why = read_mark(tree)
    if mark is None:
        result["unfinished"] = why
        return result
    result.update({"digest": mark["digest"], "content": mark["content"], "packages": mark.get("packages")})
    if mark["digest"][:12] != name or mark.get("env", env) != env:
        result["mislabelled"] = "its mark is that of {}/{}".format(mark.get("env"), mark["digest"][:12])
    if mark.get("layout") != LAYOUT:
        result["mislabelled"] = "its layout is {}, and this version knows {}".format(mark.get("layout"), LAYOUT)
    lease = os.path.join(root, "generations", env, f".{name}.lease")
    try:
        if not os.lstat(lease).st_mode & 0o004:
            result["lease"] = "cannot be read by other users"
    except OSError as error:
        result["lease"] = reason(error)
    problems = Problems()
    try:
        data = read(os.path.join(tree, MANIFEST), HUGE)
        if hashlib.sha256(data).hexdigest() != mark["manifest"]:
            raise ValueError("it is not the one that the mark vouches for")
        manifest = parse_manifest(data)
    except (OSError, Odd, ValueError) as error:
        result["manifest"] = str(error) if isinstance(error, ValueError) else reason(error)
        result["names"] = package_names(tree)
        return result
    result["manifest"] = "ok"
    if seen.depth == "names":
        problems = check_names(tree, data)
    else:
        counts, problems = check_files(tree, manifest, seen)
        result.update(counts)
    records: list[Obs] = []
    if problems.items or seen.depth == "hashes":
        records, bad = load_records(tree, seen)
        if seen.depth == "hashes":
            wrong = check_identity(root, env, mark, records, bad)
            if wrong:
                result["identity"] = wrong
    if problems.items:
        result["problems"] = problems.result(seen.cap, owners(records, [path for _, path, _ in problems.items]))
        added, clobbered = find_pip(tree, problems, manifest)
        if added:
            result["pip"] = added
        if clobbered:
            result["clobbered"] = clobbered
    if declared is not None and declared != mark["digest"]:
        result["names"] = package_names(tree)
    return result


def package_names(tree: str) -> list[str]:
    """The packages of a prefix, `name-version-build`, from the names of their records alone."""
    try:
        return sorted(name[:-5] for name in os.listdir(os.path.join(tree, "conda-meta")) if name.endswith(".json"))[
            :2000
        ]
    except OSError:
        return []


def see_link(root: str, env: str) -> tuple[str, str, str]:
    """What `envs/<env>` is: (state, generation, text); ok, missing, dangling, foreign or not a link."""
    path = os.path.join(root, "envs", env)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "missing", "", ""
    if not stat.S_ISLNK(status.st_mode):
        return "not a link", "", kind(status)
    text = os.readlink(path)
    match = _LINK.match(text)
    if not match or match.group(1) != env:
        return "foreign", "", text[:200]
    if not os.path.isdir(os.path.join(root, "generations", env, match.group(2))):
        return "dangling", match.group(2), text
    return "ok", match.group(2), text


def see_env(root: str, env: str, declared: Optional[str], seen: Seen) -> Obs:
    """What stands at an environment's link, and what lies beside it."""
    for again in (True, False):
        state, name, text = see_link(root, env)
        result: Obs = {"link": state}
        if state in ("foreign", "not a link", "dangling"):
            result["target"] = redact(text)
        if state == "ok":
            before = _identity(root, env, name)
            result.update(see_generation(root, env, name, declared, seen))
            wrong = any(key in result for key in ("unfinished", "problems", "mislabelled", "identity"))
            wrong = wrong or result.get("manifest", "ok") != "ok"
            moved = see_link(root, env)[1] != name or _identity(root, env, name) != before
            if again and wrong and moved:
                continue  # an update or a repair swapped it while we looked: look at what is there now
        break
    others: list[str] = []
    unfinished: list[str] = []
    folder = os.path.join(root, "generations", env)
    if os.path.isdir(folder):
        for entry in sorted(os.listdir(folder)):
            if entry == name or entry.endswith(".lease"):
                continue
            complete = not entry.startswith(".") and read_mark(os.path.join(folder, entry))[0] is not None
            (others if complete else unfinished).append(entry)
    if others:
        result["others"] = others[:20]
    if unfinished:
        result["leftovers"] = unfinished[:20]
    return result


def _identity(root: str, env: str, name: str) -> tuple[int, int]:
    try:
        status = os.lstat(os.path.join(root, "generations", env, name))
        return status.st_dev, status.st_ino
    except OSError:
        return 0, 0


def see_envs(root: str, declared: dict[str, Any], platform: str, seen: Seen) -> Obs:
    """All declared environments; one that cannot be read does not keep the others from being looked at."""
    found: Obs = {}
    for env in sorted(declared):
        value = declared[env]
        digest = value.get(platform) if isinstance(value, dict) else value
        try:
            if not _NAME.match(env):
                raise ValueError("not a name of an environment")
            found[env] = see_env(root, env, digest, seen)
        except (OSError, Odd, OutOfTime, ValueError, RecursionError) as error:
            seen.error("env " + env, error)
            found[env] = {"error": redact(reason(error))[:300]}
    return found


def see_undeclared(root: str, declared: dict[str, Any], seen: Seen) -> Obs:
    """Environments that stand on the host, and that nobody declared for it."""
    found: Obs = {}
    for folder, what in (("envs", "link"), ("generations", "generations")):
        path = os.path.join(root, folder)
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if not name.startswith(".") and name not in declared:
                    found.setdefault(name, what)
    return dict(list(found.items())[:50])


# --- the base, its configuration, and other files ---------------------------------------------------------------------


def file_state(path: str, expected: str = "") -> str:
    """ "" where a file has the expected sha256, else its own sha256, or why there is none."""
    try:
        found = sha256(path)
        return "" if found == expected else found
    except FileNotFoundError:
        return "missing"
    except (OSError, Odd) as error:
        return "unreadable: " + reason(error)


def see_base(root: str, base: str, seen: Seen) -> Obs:
    """The Miniconda: which one, frozen or not, and what it holds beyond what its installer brought."""
    result: Obs = {"prefix": base}
    if os.path.islink(base) or not os.path.isdir(base):
        result["state"] = "a link" if os.path.islink(base) else "missing"
        return result
    result["state"] = "present"
    if os.path.exists(os.path.join(root, "state", "miniconda.installing")):
        result["state"] = "unfinished"
    try:
        mark = json.loads(read(os.path.join(base, BASE_MARK)))
        result["version"], result["adopted"] = str(mark["version"]), bool(mark.get("adopted"))
    except FileNotFoundError:
        result["version"] = ""
    except (OSError, Odd, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        result["version"] = ""
        seen.error("base mark", error)
    frozen = {"conda-meta/frozen": file_state(os.path.join(base, "conda-meta", "frozen"))}
    for site in site_packages(base):
        path = os.path.dirname(site) + "/EXTERNALLY-MANAGED"
        frozen[path] = file_state(os.path.join(base, path))
    result["frozen"] = frozen
    baseline = read_text(os.path.join(base, BASELINE), LARGE)
    if baseline is None:
        seen.error("base packages", f"{BASELINE} cannot be read, so nobody can say what was added")
        return result
    brought = set(re.findall(r"/([^/#\s]+?)(?:\.conda|\.tar\.bz2)(?:[#\s]|\Z)", baseline))
    found = set(package_names(base))
    result["packages"] = len(found)
    if found - brought:
        result["extra"] = sorted(found - brought)[:100]
    if brought - found:
        result["missing"] = sorted(brought - found)[:100]
    claimed: set[bytes] = set()
    for name in sorted(os.listdir(os.path.join(base, "conda-meta"))):
        if name.endswith(".json"):
            seen.tick()
            text = read(os.path.join(base, "conda-meta", name), 64 << 20)
            claimed.update(re.findall(rb"site-packages/([^/\"]+\.(?:dist-info|egg-info|egg-link))", text))
    strangers = [path for site in site_packages(base) for path in dist_infos(base, site)
                 if os.fsencode(path.split("/site-packages/")[1].split("/")[0]) not in claimed]  # fmt: skip
    if strangers:
        result["pip"] = [describe_dist(base, path) for path in strangers[:50]]
    return result


def see_condarc(base: str, expected: Optional[str], seen: Seen) -> Obs:
    """The base's configuration, by sha256, with its text where it is another."""
    path = os.path.join(base, ".condarc")
    result: Obs = {}
    try:
        data = read(path)
        result["sha256"] = hashlib.sha256(data).hexdigest()
        if result["sha256"] != expected:
            result["text"] = redact(data.decode("utf-8", "replace"))[:6000]
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        if mode & 0o022 or not mode & 0o004:
            result["mode"] = f"{mode:04o}"
    except FileNotFoundError:
        result["missing"] = True
    except (OSError, Odd) as error:
        seen.error(path, error)
        result["error"] = redact(reason(error))
    return result


def condarc_places(base: str, home: str, environ: Any) -> list[tuple[str, str]]:
    """Conda's other places for configuration: (`before` or `after` ours in its order, path).

    Order of conda's own documentation ("Using the .condarc configuration file", search order); what is `before` can
    settle a key with `#!final` ahead of us, what is `after` is cut off by our own.
    """
    names = (".condarc", "condarc", "condarc.d")
    places = [("before", os.path.join(folder, name)) for folder in ("/etc/conda", "/var/lib/conda") for name in names]
    places += [("beside", os.path.join(base, name)) for name in names[1:]]
    if environ.get("XDG_CONFIG_HOME"):
        places += [("after", os.path.join(environ["XDG_CONFIG_HOME"], "conda", name)) for name in names]
    places += [("after", os.path.join(home, ".config/conda", name)) for name in names]
    places += [("after", os.path.join(home, ".conda", name)) for name in names]
    places.append(("after", os.path.join(home, ".condarc")))
    if environ.get("CONDARC"):
        places.append(("after", environ["CONDARC"]))
    return list(dict.fromkeys(places))


def see_strays(base: str, home: str, environ: Any, seen: Seen) -> list[Obs]:
    """Configuration files of conda other than ours that the user of the play has, with the keys that they set."""
    found: list[Obs] = []
    for order, place in condarc_places(base, home, environ):
        paths = [place]
        try:
            if place.endswith("condarc.d"):
                inside = sorted(name for name in os.listdir(place) if name.endswith((".yml", ".yaml")))
                paths = [os.path.join(place, name) for name in inside[:20]]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            seen.error(place, error)
            continue
        for path in paths:
            if not os.path.lexists(path) or os.path.isdir(path):
                continue
            try:
                text = read(os.path.realpath(path)).decode("utf-8", "replace")
            except (OSError, Odd) as error:
                seen.error(path, error)
                continue
            keys = re.findall(r"(?m)^([A-Za-z_][A-Za-z0-9_.-]*)\s*:", text)
            found.append({"path": path, "order": order, "keys": keys[:20]})
    shell = (
        "CONDA_SHLVL",
        "CONDA_EXE",
        "CONDA_PYTHON_EXE",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "CONDA_PROMPT_MODIFIER",
    )
    settings = [name for name in environ if name.startswith("CONDA_") and not name.startswith(shell)]
    variables = sorted(settings)
    if variables:
        found.append({"path": "the environment of the connection", "order": "after", "keys": variables[:20]})
    return found


def see_engine(root: str, seen: Seen) -> Obs:
    """The installed versions of the engine (folder: text of its mark), and of the host's tools."""
    result: Obs = {"versions": {}, "tools": []}
    folder = os.path.join(root, "engine")
    if not os.path.isdir(folder):
        return result
    for name in sorted(os.listdir(folder))[:50]:
        if name.startswith("tools-"):
            result["tools"].append(name)
        elif name.startswith("rattler-"):
            mark = read_text(os.path.join(folder, name, ".complete"))
            result["versions"][name] = "" if mark is None else mark.strip()[:100]
    return result


def see_files(base: str, files: dict[str, Any]) -> Obs:
    """Those of some files that are not as expected (sha256, or sha256 and mode), and what was found instead."""
    found: Obs = {}
    for path in sorted(files):
        expected, mode = files[path] if isinstance(files[path], (list, tuple)) else (files[path], None)
        state = file_state(os.path.join(base, path), expected)
        if not state:
            now = stat.S_IMODE(os.lstat(os.path.join(base, path)).st_mode)
            if now & 0o022 or (mode is not None and now != mode):
                state = "mode {:04o}{}".format(now, "" if mode is None else f", not {mode:04o}")
        if state:
            found[path] = state
    return found


def see_folders(root: str) -> Obs:
    """Those of our own folders that somebody else owns, or that others may write to."""
    found = {}
    owner = os.stat(root).st_uid
    for name in ("", "bin", "engine", "envs", "generations", "miniconda", "pkgs", "state"):
        path = os.path.join(root, name)
        try:
            status = os.lstat(path) if name else os.stat(path)
        except FileNotFoundError:
            continue
        if status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode):
            found[name or "."] = f"others may write to it ({stat.S_IMODE(status.st_mode):04o})"
        elif status.st_uid != owner:
            found[name] = f"belongs to uid {status.st_uid}, and the root to uid {owner}"
    return found


def see_clean(root: str, home: str, user: str, request: Obs, seen: Seen) -> Obs:
    """The schedule of the clean (user timer, or crontab), and its last run."""
    result: Obs = {}
    timer = request.get("timer")
    if timer:
        units = os.path.join(home, ".config/systemd/user")
        result["enabled"] = os.path.lexists(os.path.join(units, "timers.target.wants", timer))
        result["linger"] = os.path.lexists(os.path.join("/var/lib/systemd/linger", user))
        result["units"] = see_files(home, request.get("home_files") or {})
        if not (result["enabled"] and result["linger"]):
            status, text, why = run(["crontab", "-l"], seen)
            if status == 0:
                result["cron"] = [redact(line)[:300] for line in text.split("\n")
                                  if "lockstep" in line and not line.startswith("#")][:5]  # fmt: skip
            elif why:
                seen.error("crontab", why)
            else:
                result["cron"] = []
    try:
        last = json.loads(read(os.path.join(root, "state", "clean.json"), LARGE))[-1]
        result["last"] = {key: last.get(key) for key in ("at", "ok", "before_bytes", "after_bytes")}
        result["last"]["removed"] = len(last.get("removed") or [])
        if not last.get("ok"):
            result["last"]["message"] = redact(str(last.get("message", "")))[:300]
    except FileNotFoundError:
        pass
    except (OSError, Odd, ValueError, IndexError, AttributeError, TypeError, RecursionError) as error:
        seen.error("state/clean.json", error)
    return result


# --- the machine ------------------------------------------------------------------------------------------------------


def run(command: list[str], seen: Seen) -> tuple[int, str, str]:
    """Run something that only reads: (status, output, why there is none). One that hangs is killed, not waited for."""
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "HOME": os.path.expanduser("~")}
    try:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        child = subprocess.Popen(command, stdin=null, stdout=pipe, stderr=pipe, env=env)
    except OSError as error:
        return 127, "", "" if isinstance(error, FileNotFoundError) else reason(error)
    try:
        out, _ = child.communicate(timeout=min(CHILD_SECONDS, max(0.5, seen.end - time.monotonic())))
        return child.returncode, out[:SMALL].decode("utf-8", "replace"), ""
    except subprocess.TimeoutExpired:
        child.kill()
        return 124, "", f"{command[0]} did not answer within {CHILD_SECONDS} s"


def microarch(machine: str, cpuinfo: str) -> str:
    """The processor's level, named as conda does (`x86_64_v3`), from the text of /proc/cpuinfo."""
    if machine != "x86_64":
        return machine
    match = re.search(r"(?m)^flags\s*:\s*(.*)$", cpuinfo)
    flags, level = set(match.group(1).split() if match else []), "x86_64"
    for name, needed in LEVELS:
        if not set(needed.split()) <= flags:
            break
        level = name
    return level


def see_gpu(request: Obs, seen: Seen, proc: str = "/proc") -> Obs:
    """The driver, and the CUDA version that it offers, without touching a GPU unless asked to."""
    result: Obs = {}
    text = read_text(os.path.join(proc, "driver/nvidia/version"))
    match = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text or "")
    if match:
        result["driver"] = match.group(1)
    with contextlib.suppress(OSError):
        cards = os.path.join(proc, "driver/nvidia/gpus")
        infos = [read_text(os.path.join(cards, name, "information")) or "" for name in sorted(os.listdir(cards))[:64]]
        models = [m.group(1).strip()[:80] for m in (re.search(r"(?m)^Model:\s*(.+)$", info) for info in infos) if m]
        if models:
            result["models"] = models
    status, out, why = run([sys.executable or "python3", "-I", "-S", "-B", "-c", _CUDA], seen)
    if status == 0 and out.strip().isdigit():
        version = int(out)
        result["cuda"] = f"{version // 1000}.{version % 1000 // 10}"
    elif why:
        seen.error("cuda", why)
    if request.get("gpu"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        status, out, why = run(query, seen)
        if status == 0:
            lines = [line.split(", ") for line in out.strip().split("\n")]
            result["models"] = [line[0][:80] for line in lines]
            if len(lines[0]) > 1:
                result.setdefault("driver", lines[0][1][:40])
        elif why:
            seen.error("nvidia-smi", why)
    if os.path.exists(SIMULATED):
        result["simulated"] = True
    return result


def see_host(request: Obs, seen: Seen) -> Obs:
    """What the machine offers; named like conda's virtual packages where it has them."""
    name = os.uname()
    glibc = None
    with contextlib.suppress(ValueError, OSError, AttributeError):
        glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").replace("glibc", "").strip() or None
    release = read_text("/etc/os-release") or ""
    pretty = re.search(r"(?m)^PRETTY_NAME=\"?([^\"\n]*)", release)
    macos = re.search(
        r"ProductVersion</key>\s*<string>([0-9.]+)", read_text("/System/Library/CoreServices/SystemVersion.plist") or ""
    )
    return {
        "osx": macos.group(1) if macos else None,
        "platform": PLATFORMS.get((name.sysname, name.machine), f"{name.sysname.lower()}-{name.machine}"),
        "os": pretty.group(1) if pretty else name.sysname,
        "kernel": re.split(r"[^0-9.]", name.release)[0].rstrip("."),
        "glibc": glibc,
        "archspec": microarch(name.machine, read_text("/proc/cpuinfo", LARGE) or ""),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "gpu": see_gpu(request, seen),
    }


def see_disk(root: str) -> Obs:
    """The file system below the root."""
    real, best, sort = os.path.realpath(root), "", "?"
    for line in (read_text("/proc/self/mountinfo", LARGE) or "").split("\n"):
        fields = line.split(" ")
        if " - " in line and len(fields) > 6:
            place = re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1), 8)), fields[4])
            inside = real == place or real.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, sort = place, fields[fields.index("-") + 1]
    disk = os.statvfs(root)
    return {
        "type": sort,
        "bytes": disk.f_blocks * disk.f_frsize,
        "free": disk.f_bavail * disk.f_frsize,
        "inodes_free": disk.f_favail if disk.f_files else None,
        "readonly": bool(disk.f_flag & os.ST_RDONLY),
    }


def user_name() -> str:
    """The name of the user that the play connects as."""
    with contextlib.suppress(Exception):
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())


# --- all of it --------------------------------------------------------------------------------------------------------


def observe(request: Obs) -> Obs:
    """Look at this host.

    :param request: see the head of this file
    :returns: the observation, schema 1; whatever could not be seen stands in its `errors`
    """
    started, root = time.monotonic(), str(request["root"])
    depth = request.get("depth") or "stats"
    workers = max(1, min(4, (os.cpu_count() or 2) // 2 or 1))
    seen = Seen(depth, int(request.get("cap") or 40), float(request.get("seconds") or 300), workers)
    if depth not in DEPTHS:
        seen.error("request", "depth {!r} is none of {}".format(depth, ", ".join(DEPTHS)))
        seen.depth = "stats"
    home, base = os.path.expanduser("~"), str(request.get("base") or os.path.join(root, "miniconda"))
    declared = request.get("envs") or {}
    result: Obs = {"schema": SCHEMA, "at": int(time.time()), "root": root, "depth": seen.depth, "user": user_name()}

    def look(key: str, function: Any, *arguments: Any) -> None:
        try:
            result[key] = function(*arguments)
        except (OSError, Odd, OutOfTime, ValueError, RecursionError, MemoryError) as error:
            seen.error(key, error)

    look("host", see_host, request, seen)
    platform = result.get("host", {}).get("platform", "")
    if not os.path.isdir(root):
        result["absent"] = True
        try:
            os.stat(root)
        except FileNotFoundError:
            pass
        except OSError as error:
            seen.error("root", error)
    else:
        look("disk", see_disk, root)
        look("folders", see_folders, root)
        look("base", see_base, root, base, seen)
        look("condarc", see_condarc, base, request.get("condarc"), seen)
        look("engine", see_engine, root, seen)
        look("files", see_files, root, request.get("files") or {})
        look("clean", see_clean, root, home, result["user"], request, seen)
        look("envs", see_envs, root, declared, platform, seen)
        look("undeclared", see_undeclared, root, declared, seen)
    look("strays", see_strays, base, home, os.environ, seen)
    result["errors"] = seen.errors
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


def _alarm(signum: int, frame: Any) -> None:
    raise OutOfTime("the time given for looking at this host was over")


def main(text: str) -> None:
    """Answer a request: print the observation as one line of ASCII JSON. Whatever happens, it is JSON."""
    try:
        request = json.loads(text)
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, float(request.get("seconds") or 300) + 5, 5)
        if request.get("depth") == "hashes":
            os.nice(5)  # jobs on the host come first
        result = observe(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:
        result = {"schema": SCHEMA, "errors": [{"what": "observer", "why": redact(reason(error))[:500]}]}
    sys.stdout.write(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads that hang on a dead disk are not waited for
