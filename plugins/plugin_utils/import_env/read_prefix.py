"""Read what a conda environment on this machine holds, from its files alone: no conda command runs, nothing is written.

`conda-meta/*.json` says which packages are there, `conda-meta/history` what people asked for, `conda-meta/state` which
variables are set, and site-packages what pip has put over it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..conda import pypi_mapping

_MAX_BYTES = 64 << 20  # of one file; records of the largest packages have some tens of megabytes


class PrefixError(ValueError):
    """A folder that is no environment, or cannot be read; the text says why and what to do."""


@dataclass(frozen=True)
class Installed:
    """One conda package of an environment, as its record says."""

    name: str
    version: str
    build: str
    subdir: str
    url: str
    md5: str
    sha256: str
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """One Python distribution that conda did not bring; `origin` says where from if that was no index, `requested`
    whether somebody asked for it by name (pip marks that since 20.2), `requires` what it needs, by normalised names.
    """

    name: str
    version: str
    origin: str = ""
    requested: bool = True
    requires: tuple[str, ...] = ()


@dataclass
class Prefix:
    """What an environment holds; `asked` has the match specs of people, by package."""

    path: Path
    platform: str
    packages: dict[str, Installed] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    pip: list[Distribution] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # what could not be read


def is_prefix(path: Path) -> bool:
    """Say whether a folder is a conda environment."""
    return (path / "conda-meta").is_dir()


def read(path: Path) -> Prefix:
    """Read the environment at `path`; raises PrefixError."""
    meta = path / "conda-meta"
    packages, asked, problems, files = {}, {}, [], set()
    try:
        records = sorted(meta.glob("*.json"))
        if not records:
            raise PrefixError(f"{path}: conda-meta has no records: the environment is empty, or not readable for you")
        for file in records:
            try:
                record = _json(file)
                package = _installed(record)
            except (ValueError, KeyError, TypeError) as error:
                raise PrefixError(
                    f"{file}: not a conda record ({str(error)[:80]}); the environment is damaged, and what it holds "
                    "cannot be told"
                ) from None
            if package.name in packages:
                problems.append(f"two records of {package.name}: conda and another tool both changed the environment")
            packages[package.name] = package
            files |= {item for item in record.get("files") or [] if ".dist-info/" in item or ".egg-info" in item}
            specs = record.get("requested_specs") or [record.get("requested_spec")]
            if isinstance(specs, list) and specs and isinstance(specs[0], str) and specs[0] not in ("", "None"):
                asked[package.name] = specs[0]
        asked = {**asked, **_history(meta / "history")}
        variables = _variables(meta / "state", problems)
    except OSError as error:
        raise PrefixError(f"{error.filename}: {error.strerror}") from None
    subdirs = Counter(p.subdir for p in packages.values() if p.subdir != "noarch")
    if len(subdirs) > 1:
        raise PrefixError(f"{path} has packages of several platforms: {', '.join(sorted(subdirs))}")
    platform = next(iter(subdirs), "")
    pip = _distributions(path, packages.get("python"), files, problems)
    kept = {name: text for name, text in asked.items() if name in packages}
    return Prefix(path, platform, packages, kept, pip, variables, problems)


def _installed(record: Any) -> Installed:
    if not isinstance(record, dict):
        raise TypeError("not a mapping")
    url = record.get("url") or ""
    subdir = record.get("subdir") or (url.rsplit("/", 2)[1] if url.count("/") > 2 else "")
    found = Installed(
        record["name"],
        record["version"],
        record.get("build") or record["build_string"],
        subdir,
        url,
        record.get("md5") or "",
        record.get("sha256") or "",
        tuple(record.get("depends") or ()),
    )
    texts = (found.name, found.version, found.build, found.subdir, found.url, found.md5, found.sha256, *found.depends)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a value is not a string")
    return found


def _history(path: Path) -> dict[str, str]:
    """Return what was asked for and not removed again, by package: the latest wish wins, as conda itself counts."""
    asked: dict[str, str] = {}
    try:
        text = path.read_bytes()[:_MAX_BYTES].decode("utf-8", "replace")
    except FileNotFoundError:
        return asked
    for line in text.splitlines():
        found = re.match(r"#\s*(update|install|create|remove|neutered) specs:\s*(.+)", line)
        for spec in _specs(found[2]) if found else ():
            name = re.split(r"[\s=<>!~\[]", re.sub(r"^\S*::", "", spec.strip()), maxsplit=1)[0].lower()
            if found and found[1] == "remove":
                asked.pop(name, None)
            elif name:
                asked[name] = spec.strip()
    return asked


def _specs(text: str) -> list[str]:
    """Return the match specs of a line of history: a list in Python's or JSON's manner, or, long ago, with commas."""
    text = text.strip()
    if not text.startswith("["):
        return [item for item in text.split(",") if re.match(r"[A-Za-z0-9_]", item.strip())]
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def _variables(path: Path, problems: list[str]) -> dict[str, str]:
    try:
        found = _json(path).get("env_vars") or {}
        return {str(key): str(value) for key, value in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        problems.append("conda-meta/state is not JSON, so variables are not known")
        return {}


def _distributions(path: Path, python: Installed | None, files: set[str], problems: list[str]) -> list[Distribution]:
    """Return what is in site-packages and in no record of conda."""
    if python is None:
        return []
    series = ".".join(python.version.split(".")[:2])
    found: dict[str, Distribution] = {}
    for folder in (f"lib/python{series}/site-packages", f"lib/python{series}t/site-packages"):
        site = path / folder
        for info in sorted(site.glob("*.dist-info")) if site.is_dir() else ():
            if any(f"{folder}/{info.name}/{file}" in files or f"site-packages/{info.name}/{file}" in files
                   for file in ("METADATA", "RECORD", "INSTALLER")):  # fmt: skip
                continue
            if one := _distribution(info, problems):
                found[pypi_mapping.normal(one.name)] = one
        for link in sorted(site.glob("*.egg-link")) if site.is_dir() else ():
            found[pypi_mapping.normal(link.stem)] = Distribution(link.stem, "", "an editable folder of one machine")
    return [found[name] for name in sorted(found)]


def _distribution(info: Path, problems: list[str]) -> Distribution | None:
    fields: dict[str, str] = {}
    requires = []
    try:
        for line in (info / "METADATA").read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.strip():
                break
            key, _unused, value = line.partition(":")
            fields.setdefault(key.strip().lower(), value.strip())
            if key.strip().lower() == "requires-dist" and (needed := re.match(r"[A-Za-z0-9._-]+", value.strip())):
                requires.append(pypi_mapping.normal(needed[0]))
        name, version = fields["name"], fields["version"]
    except (OSError, KeyError):
        problems.append(f"{info.name} has no METADATA that can be read: something is left of a package")
        return None
    try:
        direct = _json(info / "direct_url.json")
        url = re.sub(r"//[^/@\s]*@", "//<credentials>@", str(direct.get("url", "")))
        if isinstance(direct.get("dir_info"), dict) and direct["dir_info"].get("editable"):
            origin = "an editable folder of one machine"
        elif "vcs_info" in direct:
            origin = f"a {direct['vcs_info'].get('vcs', 'version control')} repository ({url[:100]})"
        else:
            origin = "a folder or file of one machine" if url.startswith("file:") else f"an address ({url[:100]})"
    except FileNotFoundError:
        origin = ""
    except (ValueError, AttributeError, OSError):
        origin = "a place that its direct_url.json does not tell"
    return Distribution(name, version, origin, (info / "REQUESTED").exists(), tuple(requires))


def _json(path: Path) -> Any:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"more than {_MAX_BYTES >> 20} MiB")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None
