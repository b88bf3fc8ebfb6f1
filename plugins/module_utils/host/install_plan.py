"""The install plan: exactly what a host installs for one environment.

A plan is made on the controller from a tier's lock and is all that a host knows of it: hosts read no YAML and solve
nothing. Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple, Optional

from .redaction import redact

LAYOUT = 1
"""Version of how a generation is laid out on disk. It is part of the digest: a new layout is a new generation."""

SHORT = 12
"""Hex digits of the digest that name a generation's folder."""

NAME = re.compile(r"(?!.*[.]{2})[a-z0-9][a-z0-9._-]{0,63}\Z")
"""What an environment may be called: it becomes a folder's and a link's name."""

PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64", "osx-64", "linux-ppc64le")
"""Platforms (conda's subdirs) that an environment can be locked for."""

_PACKAGE = re.compile(r"(?!.*[.]{2})[a-z0-9_][a-z0-9._-]{0,127}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]{0,127}\Z")
_BUILD = re.compile(r"[A-Za-z0-9_.+]{1,127}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MD5 = re.compile(r"([0-9a-f]{32})?\Z")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,127}\Z")  # conda makes names upper-case when it activates
_SITE_PACKAGES = re.compile(r"lib/python[0-9]+[.][0-9]+t?/site-packages\Z")
_URL = re.compile(r"(https?|file)://[^\s#?\\]+\Z")
_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9_.]{1,128})-[A-Za-z0-9_.+!]{1,128}(-[A-Za-z0-9_.]{1,128}){3,4}[.]whl\Z")
_WHEEL_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_WHEEL_URL = re.compile(r"https?://[^\s@#?%\\]+/[^/]+\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_TOP: dict[str, type] = {
    "layout": int,
    "name": str,
    "platform": str,
    "digest": str,
    "packages": list,
    "channel": str,
    "pip": list,
    "variables": dict,
    "smoke": str,
    "download_bytes": int,
}
_FIELDS: dict[str, type] = {
    "name": str,
    "version": str,
    "build": str,
    "build_number": int,
    "subdir": str,
    "file_name": str,
    "url": str,
    "md5": str,
    "sha256": str,
    "depends": list,
}


class PlannedPackage(NamedTuple):
    """One conda package of a plan: what is downloaded, how it is verified, and what it is called."""

    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    file_name: str
    url: str
    md5: str
    sha256: str
    depends: list[str]
    noarch: Optional[str] = None
    python_site_packages_path: Optional[str] = None

    @property
    def stem(self) -> str:
        """The name of its folder in the package cache, and of its record."""
        return f"{self.name}-{self.version}-{self.build}"


class PlannedWheel(NamedTuple):
    """One wheel of a plan; `name` is normalised (PEP 503)."""

    name: str
    version: str
    file_name: str
    url: str
    sha256: str


class InstallPlan(NamedTuple):
    """What a host installs for one environment; `channel` is a url, `smoke` the text of the smoke test or ""."""

    layout: int
    name: str
    platform: str
    digest: str
    packages: list[PlannedPackage]
    channel: str
    pip: list[PlannedWheel]
    variables: dict[str, str]
    smoke: str
    download_bytes: int

    @property
    def generation(self) -> str:
        """The name of its generation's folder."""
        return short(self.digest)

    def identified(self) -> InstallPlan:
        """Return the same plan with the digest of its contents.

        That is the sha256 (64 hex digits) of what makes two environments the same: layout, platform, the packages'
        (name, version, build, subdir, sha256), the wheels' (name, version, sha256) and the variables; not where they
        are fetched from, and not the smoke test.
        """
        identity = {
            "layout": self.layout,
            "platform": self.platform,
            "packages": sorted([p.name, p.version, p.build, p.subdir, p.sha256] for p in self.packages),
            "pip": sorted([w.name, w.version, w.sha256] for w in self.pip),
            "variables": self.variables,
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return self._replace(digest=hashlib.sha256(text.encode("utf-8")).hexdigest())

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data."""
        return {
            **self._asdict(),
            "packages": [package._asdict() for package in self.packages],
            "pip": [wheel._asdict() for wheel in self.pip],
        }

    @classmethod
    def from_json(cls, data: Any) -> InstallPlan:
        """Read what `to_json` wrote.

        :raises PlanError: naming all that is wrong with it
        """
        if problems := check(data):
            raise PlanError(problems)
        return _typed(data)


class PlanError(ValueError):
    """A plan that must not be acted on; `problems` holds a sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else ""))
        self.problems = problems


def _typed(data: dict[str, Any]) -> InstallPlan:
    """Build a plan from data whose keys and types are right; keys that are not known are left out."""
    fields: dict[str, Any] = {key: data[key] for key in InstallPlan._fields}
    packages = [PlannedPackage(**{k: p[k] for k in PlannedPackage._fields if k in p}) for p in fields.pop("packages")]
    wheels = [PlannedWheel(**{k: w[k] for k in PlannedWheel._fields}) for w in fields.pop("pip")]
    return InstallPlan(packages=packages, pip=wheels, **fields)


def short(value: str) -> str:
    """Return the part of a digest that names a generation's folder (12 hex digits)."""
    return value[:SHORT]


def check(plan: Any) -> list[str]:
    """Return what is wrong with a plan, one sentence each; an empty list means that it may be acted on.

    Nothing in the plan is trusted: names and file names become paths, so all that could lead out of the root, and all
    that could not be verified (a missing sha256), is refused here, before a host does anything with it.
    """
    if not isinstance(plan, dict):
        return ["the plan is not a mapping"]
    problems = _types(plan, _TOP, "plan")
    if problems:
        return problems
    if plan["layout"] != LAYOUT:
        problems.append(f"plan: layout {plan['layout']} is not {LAYOUT}, the one this version of Lockstep builds")
    if not NAME.match(plan["name"]):
        problems.append(f"plan: an environment cannot be called {plan['name'][:80]!r}: use a-z, 0-9, '.', '_', '-'")
    if plan["platform"] not in PLATFORMS:
        problems.append(f"plan: unknown platform {plan['platform'][:80]!r}")
    if plan["download_bytes"] < 0:
        problems.append("plan: download_bytes is negative")
    if "\x00" in plan["smoke"]:
        problems.append("plan: the smoke test holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in plan["smoke"]):
        problems.append("plan: the smoke test cannot be written as UTF-8")
    problems += _check_variables(plan["variables"])
    seen: set[str] = set()
    for index, package in enumerate(plan["packages"]):
        where = f"package {index + 1}"
        if not isinstance(package, dict):
            problems.append(f"{where}: not a mapping")
            continue
        if isinstance(package.get("name"), str):
            where = f"package {package['name'][:80]}"
            if package["name"] in seen:
                problems.append(f"{where}: listed twice")
            seen.add(package["name"])
        problems += check_package(package, plan["platform"], where)
    if not plan["packages"]:
        problems.append("plan: no packages")
    problems += _check_pip(plan["pip"])
    if plan["pip"] and "python" not in seen:
        problems.append("plan: wheels, and no python to put them into")
    if not problems and _typed(plan).identified().digest != plan["digest"]:
        problems.append("plan: the digest is not that of its contents: the plan was altered, or is of another layout")
    return problems


def check_package(package: dict[str, Any], platform: str, where: str) -> list[str]:
    """Return what is wrong with one package of a plan for `platform`; `where` begins each sentence."""
    problems = _types(package, _FIELDS, where)
    if problems:
        return problems
    name, version, build = package["name"], package["version"], package["build"]
    for key, pattern in (("name", _PACKAGE), ("version", _VERSION), ("build", _BUILD), ("md5", _MD5)):
        if not pattern.match(package[key]):
            problems.append(f"{where}: {key} {package[key][:80]!r} is not acceptable")
    if name.startswith("__"):
        problems.append(f"{where}: a virtual package cannot be installed")
    if not _SHA256.match(package["sha256"]):
        problems.append(f"{where}: no sha256 (64 hex digits), so what is downloaded could not be verified")
    if package["subdir"] not in (platform, "noarch"):
        problems.append(f"{where}: subdir {package['subdir'][:80]!r} is neither {platform} nor noarch")
    stem = f"{name}-{version}-{build}"
    if package["file_name"] not in (stem + ".conda", stem + ".tar.bz2"):
        problems.append(f"{where}: file name {package['file_name'][:120]!r} is not that of {stem}")
    url = package["url"]
    if not _URL.match(url) or "/../" in url or "/./" in url or "%" in url:
        problems.append(f"{where}: url {redact(url)[:120]!r} is not acceptable")
    elif "@" in url:
        problems.append(f"{where}: the url holds credentials; they belong in the site's own configuration")
    elif not url.endswith(f"/{package['subdir']}/{package['file_name']}"):
        problems.append(f"{where}: url {url[:120]!r} does not end with its subdir and file name")
    if package["build_number"] < 0:
        problems.append(f"{where}: negative build number")
    if not all(isinstance(item, str) and not CONTROL.search(item) for item in package["depends"]):
        problems.append(f"{where}: depends is not a list of match specs")
    if package.get("noarch") not in (None, "python", "generic"):
        problems.append(f"{where}: noarch is neither null, python nor generic")
    site_packages = package.get("python_site_packages_path")
    if site_packages is not None and not (isinstance(site_packages, str) and _SITE_PACKAGES.match(site_packages)):
        problems.append(f"{where}: python_site_packages_path {str(site_packages)[:80]!r} is not acceptable")
    return problems


def _types(data: dict[str, Any], wanted: dict[str, type], where: str) -> list[str]:
    """Return a sentence for each wanted key that is missing or of another type (a bool is no int)."""
    problems = []
    for key, kind in wanted.items():
        if key not in data:
            problems.append(f"{where}: {key} is missing")
        elif not isinstance(data[key], kind) or isinstance(data[key], bool):
            problems.append(f"{where}: {key} is {type(data[key]).__name__}, not {kind.__name__}")
    return problems


def _check_variables(variables: dict[Any, Any]) -> list[str]:
    problems = []
    for key, value in variables.items():
        if not isinstance(key, str) or not VARIABLE.match(key):
            problems.append(f"plan: {str(key)[:80]!r} cannot be a variable's name")
        elif not isinstance(value, str) or CONTROL.search(value):
            problems.append(f"plan: variable {key} is not a string of one line")
    return problems


def _check_pip(wheels: list[Any]) -> list[str]:
    problems = []
    seen: set[str] = set()
    for index, wheel in enumerate(wheels):
        where = f"wheel {index + 1}"
        if not isinstance(wheel, dict):
            problems.append(f"{where}: not a mapping")
            continue
        if isinstance(wheel.get("name"), str):
            where = "wheel {}".format(wheel["name"][:80])
            if wheel["name"] in seen:
                problems.append(f"{where}: listed twice")
            seen.add(wheel["name"])
        problems += check_wheel(wheel, where)
    return problems


def check_wheel(wheel: dict[str, Any], where: str) -> list[str]:
    """Return what is wrong with one wheel of a plan; `where` begins each sentence."""
    problems = _types(wheel, dict.fromkeys(("name", "version", "file_name", "url", "sha256"), str), where)
    if problems:
        return problems
    for key, pattern in (("name", _WHEEL_NAME), ("version", _VERSION)):
        if not pattern.match(wheel[key]):
            problems.append(f"{where}: {key} {wheel[key][:80]!r} is not acceptable")
    if not _SHA256.match(wheel["sha256"]):
        problems.append(f"{where}: no sha256 (64 hex digits), so what is downloaded could not be verified")
    file, url = _WHEEL.match(wheel["file_name"]), wheel["url"]
    if not file or re.sub(r"[-_.]+", "-", file["name"]).lower() != wheel["name"]:
        problems.append("{}: file name {!r} is not that of its wheel".format(where, wheel["file_name"][:120]))
    if not _WHEEL_URL.match(url) or "/../" in url or "/./" in url or not url.endswith("/" + wheel["file_name"]):
        problems.append(f"{where}: url {redact(url)[:120]!r} is not a wheel's")
    return problems
