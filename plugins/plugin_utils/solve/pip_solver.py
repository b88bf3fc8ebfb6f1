"""Solve a spec's pip section with uv, around the conda packages of the same environment.

uv gets two indexes. The first is a temporary folder with an empty wheel for each Python distribution that the conda
packages bring, at conda's version. uv takes a name only from the first index that has it, so a wheel that needs such a
package gets conda's version or a conflict, and pip never installs what conda brings. The second is the site's index:
the lock records name, version, url and sha256 of one wheel for each package that comes from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import re
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

with contextlib.suppress(ImportError):  # ansible_support.require() says what to install
    from packaging import tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

from ...module_utils.host.redaction import redact
from ..conda import pypi_mapping
from ..conda.locked_package import Package

TIMEOUT = 600  # seconds for one platform
_GLIBCS = (17, 28, *range(31, 41))  # minor versions of glibc 2 that uv knows manylinux tags of
_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64", "osx-arm64": "aarch64"}
_WHEEL = """Wheel-Version: 1.0
Generator: lockstep
Root-Is-Purelib: true
Tag: py3-none-any
"""


class PipUnsolvable(Exception):
    """A pip section has no solution, or cannot be solved.

    :param cause: why; without the platform where possible, so that platforms with one cause are reported together
    :param remedy: what to do
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


@dataclass(frozen=True)
class PipQuestion:
    """What to solve for one environment on one platform.

    `conda` are the solved conda packages; `kept` are wheels of the previous lock, which stay if they can; `glibc` and
    `osx` are versions from the system requirements.
    """

    platform: str
    requirements: tuple[str, ...]
    conda: tuple[Package, ...]
    kept: tuple[Package, ...] = ()
    glibc: str = "2.28"
    osx: str = "13.0"
    exclude_newer: dt.datetime | None = None
    index: str = ""  # url; "": the index that uv's environment variables name, else uv's default


@dataclass(frozen=True)
class Answer:
    """The wheels, and the sum of their sizes in bytes (0 for wheels whose size the index does not tell)."""

    packages: tuple[Package, ...]
    size: int


async def solve(question: PipQuestion) -> Answer:
    """Return the wheels that the pip section adds to the conda packages.

    :raises PipUnsolvable: if there is no solution, the index describes a wheel that no lock may hold, or uv or the
        index does not answer
    """
    python = _python(question)
    with tempfile.TemporaryDirectory(prefix="lockstep-pip-") as folder:
        work = Path(folder)
        brought, excluded = write_conda_index(question.conda, work / "conda")
        lock = work / "pylock.toml"
        if preferences := _preferences(question.kept, brought):
            lock.write_text(preferences, encoding="utf-8")
        (work / "requirements.in").write_text("\n".join(question.requirements) + "\n", encoding="utf-8")
        (work / "excluded.txt").write_text("\n".join(excluded) + "\n", encoding="utf-8")
        code, output = await _uv(_command(question, python, work, brought), _environment(question))
        if code:
            raise _unsolvable(output, work, question)
        try:
            data = tomllib.loads(lock.read_text(encoding="utf-8"))
            return _answer(data, question, set(brought), _ranks(question, python))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PipUnsolvable(
                f"uv's answer cannot be read: {redact(str(error))[:200]}", "use the uv of requirements/controller.txt"
            ) from None


def _python(question: PipQuestion) -> str:
    """Return the version of the environment's python; raises PipUnsolvable if it has none, or a free-threaded one."""
    python = next((package for package in question.conda if package.name == "python"), None)
    if python is None:
        raise PipUnsolvable(
            "the spec requests packages from pip, but the environment has no python",
            "add python, at the version you want, to the dependencies",
        )
    if python.build.endswith("t"):  # _cp313t
        raise PipUnsolvable(
            f"python {python.version} {python.build} is free-threaded, and Lockstep selects no wheels for that",
            "take the packages from the channel, or add `python-gil` to the dependencies",
        )
    return python.version


def _ranks(question: PipQuestion, python: str) -> dict[tags.Tag, int]:
    """Return the wheel tags (PEP 425) that fit the platform and its system requirements, by rank (0: the best)."""
    machine = _MACHINES[question.platform]
    version = tuple(int(part) for part in python.split(".")[:2])
    if question.platform.startswith("linux-"):
        minor = int(question.glibc.split(".")[1])
        legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        platforms = []
        for number in range(minor, 4, -1):
            platforms.append(f"manylinux_2_{number}_{machine}")
            if number in legacy:
                platforms.append(f"{legacy[number]}_{machine}")
        platforms.append(f"linux_{machine}")
    else:
        major, _unused, minor_text = question.osx.partition(".")
        release = (int(major), int(minor_text.split(".")[0] or 0))
        platforms = list(tags.mac_platforms(release, "arm64" if machine == "aarch64" else machine))
    ordered = [
        *tags.cpython_tags(version, platforms=platforms),
        *tags.compatible_tags(version, interpreter=f"cp{version[0]}{version[1]}", platforms=platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(ordered)))}


def write_conda_index(packages: Iterable[Package], folder: Path) -> tuple[dict[str, str], list[str]]:
    """Write an index (PEP 503) with an empty wheel for each Python distribution that conda packages bring.

    :return: versions by name, and the names whose conda version is not a Python version (PEP 440): uv cannot compare
        those, so they are excluded from the solve
    """
    versions: dict[str, str] = {}
    excluded: list[str] = []
    for package in packages:
        if not pypi_mapping.is_python(package):
            continue
        for name in pypi_mapping.pypi_names(package.name):
            try:
                versions[name] = str(Version(package.version))
            except InvalidVersion:
                excluded.append(name)
    for name, version in versions.items():
        stem = f"{name.replace('-', '_')}-{version}"
        here = folder / name
        here.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(here / f"{stem}-py3-none-any.whl", "w") as wheel:
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", head)
            wheel.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
        (here / "index.html").write_text(f'<a href="{stem}-py3-none-any.whl">{stem}</a>\n', encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    return versions, sorted(set(excluded) - set(versions))


def _preferences(kept: Iterable[Package], conda: Mapping[str, str]) -> str:
    """Return the wheels of the previous lock in the form in which uv reads preferences, a pylock.toml (PEP 751); "" if
    there are none.
    """
    lines = [
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        for package in kept
        if package.name not in conda
    ]
    return "".join(['lock-version = "1.0"\ncreated-by = "lockstep"\n', *lines]) if lines else ""


def _command(question: PipQuestion, python: str, work: Path, brought: Iterable[str]) -> list[str]:
    """Return uv's arguments.

    `--no-config` gives the same answer for every user. `--only-binary`: an sdist would run its own code on the
    machine that locks.

    :param brought: names of the distributions in the folder of empty wheels
    """
    command = [
        "pip", "compile", str(work / "requirements.in"), "--no-config", "--no-python-downloads", "--quiet",
        "--python-version", python, "--python-platform", target(question), "--only-binary", ":all:",
        "--format", "pylock.toml", "--output-file", str(work / "pylock.toml"), "--excludes", str(work / "excluded.txt"),
        "--index", (work / "conda").as_uri(), "--no-annotate", "--no-header",
    ]  # fmt: skip
    if question.index:
        command += ["--default-index", question.index]
    if question.exclude_newer:
        command += ["--exclude-newer", f"{question.exclude_newer:%Y-%m-%dT%H:%M:%SZ}"]
        for name in brought:  # empty wheels have no date; the channel's date already decided
            command += ["--exclude-newer-package", f"{name}=false"]
    return command


def target(question: PipQuestion) -> str:
    """Return uv's name for a platform with its system requirements; raises PipUnsolvable if uv has none."""
    machine = _MACHINES.get(question.platform)
    if machine is None:
        raise PipUnsolvable(
            f"uv does not support {question.platform}",
            "take the packages from the channel, or leave the platform out",
        )
    if not question.platform.startswith("linux-"):
        return f"{machine}-apple-darwin"
    minor = int(question.glibc.split(".")[1])
    known = [tag for tag in _GLIBCS if tag <= minor]
    if not question.glibc.startswith("2.") or not known:
        raise PipUnsolvable(
            f"uv has no wheel tags for glibc {question.glibc}",
            "raise glibc in lockstep_system_requirements to 2.17 or newer",
        )
    return f"{machine}-manylinux_2_{known[-1]}"


def _environment(question: PipQuestion) -> dict[str, str]:
    return {**os.environ, "MACOSX_DEPLOYMENT_TARGET": question.osx, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


async def _uv(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run uv; return its exit code and its standard error. Raises PipUnsolvable if uv cannot run or takes too long."""
    try:
        from uv import find_uv_bin

        program = find_uv_bin()
        child = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, env=dict(environment),
        )  # fmt: skip
    except (ImportError, OSError) as error:
        raise PipUnsolvable(f"uv cannot be run: {error}", "install requirements/controller.txt") from None
    try:
        _unused, output = await asyncio.wait_for(child.communicate(), TIMEOUT)
    except BaseException as error:
        child.kill()
        await child.wait()
        if isinstance(error, TimeoutError):
            raise PipUnsolvable(f"uv took longer than {TIMEOUT} s", "check the network and the index") from None
        raise
    return child.returncode or 0, output.decode(errors="replace")


def _unsolvable(output: str, work: Path, question: PipQuestion) -> PipUnsolvable:
    """Turn uv's error output into cause and remedy, without its hints, which name the temporary index."""
    lines = [re.sub(r"^\s*(cause|error):\s*", "", line).strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("warning:", "hint:"))]
    text = " ".join(line for line in lines if line != "No solution found when resolving dependencies")
    text = text.replace((work / "conda").as_uri(), "the channel").replace(f"{work}/", "")
    # without times, so that the text is the same for all platforms
    text = re.sub(r" after [0-9]+ retries in [0-9.]+m?s\b", "", redact(text))[:900].rstrip(". ")
    if "Failed to fetch" in output or "Could not connect" in output or "error sending request" in output:
        return PipUnsolvable(f"the package index cannot be read: {text}", "check lockstep_pip_index and the network")
    named = [
        package for package in question.conda
        for name in pypi_mapping.pypi_names(package.name)
        if pypi_mapping.is_python(package) and re.search(rf"\b{re.escape(name)}==", output)
    ]  # fmt: skip
    brought = ", ".join(sorted({f"{package.name} {package.version}" for package in named}))
    remedy = "loosen the named pip lines, or take those packages from the channel"
    if brought:
        remedy += f" (it already brings {brought}, which pip may not change)"
    if any(words in output for words in ("no wheels", "no usable wheels", "only-binary", "pre-built")):
        remedy += "; only wheels are installed, since a build from source differs from host to host"
    return PipUnsolvable(f"no solution: {text}", remedy)


def _best(wheels: Iterable[Mapping[str, Any]], ranks: Mapping[tags.Tag, int]) -> Mapping[str, Any] | None:
    """Return the wheel that pip would choose of those that uv lists for a package; None if none fits."""
    ranked = []
    for wheel in wheels:
        try:
            _name, _version, build, wheel_tags = parse_wheel_filename(_clean(wheel["url"]).rsplit("/", 1)[-1])
        except InvalidWheelFilename:
            continue
        fits = [ranks[tag] for tag in wheel_tags if tag in ranks]
        if fits and "sha256" in wheel.get("hashes", {}):
            ranked.append((min(fits), [-int(part) for part in build[:1]], wheel["url"], wheel))
    return min(ranked, key=lambda item: item[:3])[3] if ranked else None


def _answer(data: Mapping[str, Any], question: PipQuestion, conda: set[str], ranks: Mapping[tags.Tag, int]) -> Answer:
    packages, size = [], 0
    for item in data.get("packages", []):
        name = pypi_mapping.normal(item["name"])
        if name in conda:
            continue
        wheel = _best(item.get("wheels") or [], ranks)
        if wheel is None:
            raise PipUnsolvable(
                f"the index has no wheel of {name} {item.get('version')} that fits and has a sha256",
                "take it from the channel, or publish a wheel in the site's own index (lockstep_pip_index)",
            )
        size += wheel.get("size") or 0
        sha256 = wheel["hashes"]["sha256"]
        kept = next((p for p in question.kept if p.name == name and p.sha256 == sha256), None)
        url = kept.url if kept else _clean(wheel["url"])  # the same file at another index is not a change
        packages.append(Package("pip", name, question.platform, str(item["version"]), "", url, "", sha256))
    for package in packages:
        if problems := package.problems():
            raise PipUnsolvable(
                f"the index describes a wheel that no lock may hold: {'; '.join(problems)}",
                "request another version, or take the package from the channel",
            )
    return Answer(tuple(sorted(packages)), size)


def _clean(url: str) -> str:
    """Return a wheel's url without credentials, query and fragment, percent-decoded (`%2B` is `+`)."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], unquote(parts.path), "", ""))
