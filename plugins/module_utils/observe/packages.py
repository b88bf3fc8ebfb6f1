"""The packages of a prefix: conda's records, Python's metadata, and what pip did to either."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable

from .problems import Problems
from .reading import Obs, Odd, Seen, read, read_text, redact

META = re.compile(r"conda-meta/([^/]+)\.json\Z")
DIST = re.compile(r"lib/python3[^/]*/site-packages/([^/]+)\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?|egg-link)\Z")


def package_names(tree: str) -> list[str]:
    """The packages of a prefix, `name-version-build`, from the names of their records alone."""
    try:
        return sorted(name[:-5] for name in os.listdir(os.path.join(tree, "conda-meta")) if name.endswith(".json"))[
            :2000
        ]
    except OSError:
        return []


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
        match = META.match(path)
        if match:
            found[path] = match.group(1).rsplit("-", 1)[0]
    return found


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
    match = DIST.match(path)
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
    extra = [path for what, path, _ in problems.items if what in ("extra", "altered") and DIST.match(path)]
    missing = {path for what, path, _ in problems.items if what == "missing"}
    added = [describe_dist(tree, path) for path in sorted(extra)[:50]]
    conda = {}
    for path in known if added else ():
        match = DIST.match(path)
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
