"""Read a conda environment on this machine from its files; no conda command runs, nothing is written.

`conda-meta/*.json` holds the packages, `conda-meta/history` what people requested, `conda-meta/state` the variables,
and site-packages what pip installed.
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
from ..core.errors import ControllerError

_MAX_BYTES = 64 << 20  # of one file; records of the largest packages have some tens of megabytes


class PrefixError(ControllerError):
    """A folder that is not a conda environment, or cannot be read."""


@dataclass(frozen=True)
class Installed:
    """One conda package of an environment, from its record."""

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
    """One Python distribution that conda did not install.

    `origin` describes its source, "" for a package index; `requested` is true if a person requested it by name (pip
    records that since 20.2); `requires` are the normalised names of its dependencies.
    """

    name: str
    version: str
    origin: str = ""
    requested: bool = True
    requires: tuple[str, ...] = ()


@dataclass
class Prefix:
    """The contents of an environment; `requested` has the match specs that people requested, by package."""

    path: Path
    platform: str
    packages: dict[str, Installed] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    pip: list[Distribution] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # what could not be read


def is_prefix(path: Path) -> bool:
    """Return whether a folder is a conda environment."""
    return (path / "conda-meta").is_dir()


def read(path: Path) -> Prefix:
    """Read the environment at `path`; raises PrefixError."""
    meta = path / "conda-meta"
    packages, requested, problems, files = {}, {}, [], set()
    try:
        records = sorted(meta.glob("*.json"))
        if not records:
            raise PrefixError(str(path), "conda-meta has no records", "name an environment that is not empty")
        for file in records:
            try:
                record = _json(file)
                package = _installed(record)
            except (ValueError, KeyError, TypeError) as error:
                cause = f"not a conda record ({str(error)[:80]}), so the environment is damaged"
                raise PrefixError(str(file), cause, "repair the environment, or import an export of it") from None
            if package.name in packages:
                problems.append(f"two records of {package.name}: conda and another tool both changed the environment")
            packages[package.name] = package
            files |= {item for item in record.get("files") or [] if ".dist-info/" in item or ".egg-info" in item}
            specs = record.get("requested_specs") or [record.get("requested_spec")]
            if isinstance(specs, list) and specs and isinstance(specs[0], str) and specs[0] not in ("", "None"):
                requested[package.name] = specs[0]
        requested |= _history(meta / "history")
        variables = _variables(meta / "state", problems)
    except OSError as error:
        remedy = "run the import as a user who can read the environment"
        raise PrefixError(str(error.filename), error.strerror or str(error), remedy) from None
    subdirs = Counter(p.subdir for p in packages.values() if p.subdir != "noarch")
    if len(subdirs) > 1:
        cause = f"packages of several platforms: {', '.join(sorted(subdirs))}"
        raise PrefixError(str(path), cause, "import an export of the environment for one platform")
    platform = next(iter(subdirs), "")
    pip = _distributions(path, packages.get("python"), files, problems)
    kept = {name: text for name, text in requested.items() if name in packages}
    return Prefix(path, platform, packages, kept, pip, variables, problems)


def _installed(record: Any) -> Installed:
    if not isinstance(record, dict):
        raise TypeError("not a mapping")
    url = record.get("url") or ""
    subdir = record.get("subdir") or (url.rsplit("/", 2)[1] if url.count("/") > 2 else "")
    package = Installed(
        record["name"],
        record["version"],
        record.get("build") or record["build_string"],
        subdir,
        url,
        record.get("md5") or "",
        record.get("sha256") or "",
        tuple(record.get("depends") or ()),
    )
    if not all(isinstance(text, str) for text in (*list(vars(package).values())[:-1], *package.depends)):
        raise TypeError("a value is not a string")
    return package


def _history(path: Path) -> dict[str, str]:
    """Return by package the latest match spec that people requested and did not remove again, as conda evaluates it."""
    requested: dict[str, str] = {}
    try:
        text = path.read_bytes()[:_MAX_BYTES].decode("utf-8", "replace")
    except FileNotFoundError:
        return requested
    for line in text.splitlines():
        match = re.match(r"#\s*(update|install|create|remove|neutered) specs:\s*(.+)", line)
        for spec in _specs(match[2]) if match else ():
            name = re.split(r"[\s=<>!~\[]", re.sub(r"^\S*::", "", spec.strip()), maxsplit=1)[0].lower()
            if match and match[1] == "remove":
                requested.pop(name, None)
            elif name:
                requested[name] = spec.strip()
    return requested


def _specs(text: str) -> list[str]:
    """Return the match specs of a history line: a list in Python's or JSON's syntax, or (old conda) with commas."""
    text = text.strip()
    if not text.startswith("["):
        return [item for item in text.split(",") if re.match(r"[A-Za-z0-9_]", item.strip())]
    try:
        specs = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [item for item in specs if isinstance(item, str)] if isinstance(specs, list) else []


def _variables(path: Path, problems: list[str]) -> dict[str, str]:
    try:
        variables = _json(path).get("env_vars") or {}
        return {str(key): str(value) for key, value in variables.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        problems.append("conda-meta/state is not JSON, so the variables are unknown")
        return {}


def _distributions(path: Path, python: Installed | None, files: set[str], problems: list[str]) -> list[Distribution]:
    """Return the distributions in site-packages that no conda record lists."""
    if python is None:
        return []
    series = ".".join(python.version.split(".")[:2])
    distributions: dict[str, Distribution] = {}
    for folder in (f"lib/python{series}/site-packages", f"lib/python{series}t/site-packages"):
        site = path / folder
        for info in sorted(site.glob("*.dist-info")) if site.is_dir() else ():
            if any(f"{folder}/{info.name}/{file}" in files or f"site-packages/{info.name}/{file}" in files
                   for file in ("METADATA", "RECORD", "INSTALLER")):  # fmt: skip
                continue
            if one := _distribution(info, problems):
                distributions[pypi_mapping.normal(one.name)] = one
        for link in sorted(site.glob("*.egg-link")) if site.is_dir() else ():
            distributions[pypi_mapping.normal(link.stem)] = Distribution(
                link.stem, "", "an editable folder of one machine"
            )
    return [distributions[name] for name in sorted(distributions)]


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
        problems.append(f"{info.name} has no readable METADATA: a package was removed incompletely")
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
        origin = "a source that its direct_url.json does not name"
    return Distribution(name, version, origin, (info / "REQUESTED").exists(), tuple(requires))


def _json(path: Path) -> Any:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"more than {_MAX_BYTES >> 20} MiB")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None
