"""Solve a spec's pip section with uv, around the conda packages of the same environment.

uv is shown two indexes. The first is a folder made for the occasion, with an empty wheel for each Python distribution
that the conda packages bring, at its version. uv looks for a name in the first index that has it and nowhere else, so
whatever needs such a package gets conda's version or a conflict, and nothing that conda brings is ever brought again.
The second is the site's own. What came from it goes into the lock: name, version, url and sha256 of one wheel each.
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

from ...module_utils.host.install_plan import redact
from ..conda import pypi_mapping
from ..conda.locked_package import LockError, Package

TIMEOUT = 600  # seconds for one platform
_GLIBCS = (17, 28, *range(31, 41))  # minor versions of glibc 2 that uv knows manylinux tags of
_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64", "osx-arm64": "aarch64"}
_WHEEL = """Wheel-Version: 1.0
Generator: lockstep
Root-Is-Purelib: true
Tag: py3-none-any
"""


class PipUnsolvable(Exception):
    """There is no solution, or none can be looked for; the text is the cause, the second argument the remedy.

    Neither names the platform without need, so that platforms with the same trouble can be told of together.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause, self.remedy = cause, remedy


@dataclass(frozen=True)
class PipQuestion:
    """What uv is asked for one environment on one platform.

    `conda` are the packages that the channel brings; `kept` the wheels of the former lock, which stay if they can;
    `glibc` and `osx` the system requirements' versions.
    """

    platform: str
    requirements: tuple[str, ...]
    conda: tuple[Package, ...]
    kept: tuple[Package, ...] = ()
    glibc: str = "2.28"
    osx: str = "13.0"
    exclude_newer: dt.datetime | None = None
    index: str = ""  # "" stands for the index that uv's environment variables name, else its own default


@dataclass(frozen=True)
class Answer:
    """The wheels, their size in bytes together (0 where the index does not say), and names that conda brings anyway."""

    packages: tuple[Package, ...]
    size: int


async def solve(question: PipQuestion) -> Answer:
    """Return the wheels that the pip section adds; :raises PipUnsolvable: with cause and remedy."""
    python = _python(question)
    with tempfile.TemporaryDirectory(prefix="lockstep-pip-") as folder:
        work = Path(folder)
        mine, excluded = stand_ins(question.conda, work / "conda")
        lock = work / "pylock.toml"
        if former := _former(question.kept, mine):
            lock.write_text(former, encoding="utf-8")
        (work / "requirements.in").write_text("\n".join(question.requirements) + "\n", encoding="utf-8")
        (work / "excluded.txt").write_text("\n".join(excluded) + "\n", encoding="utf-8")
        code, said = await _uv(_command(question, python, work, mine), _environment(question))
        if code:
            raise _unsolvable(said, work, question)
        try:
            data = tomllib.loads(lock.read_text(encoding="utf-8"))
            return _answer(data, question, set(mine), _ranks(question, python))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PipUnsolvable(
                f"uv's answer cannot be read: {redact(str(error))[:200]}", "use the uv of requirements/controller.txt"
            ) from None


def _python(question: PipQuestion) -> str:
    """Return the version of the environment's own python."""
    found = next((package for package in question.conda if package.name == "python"), None)
    if found is None:
        raise PipUnsolvable(
            "packages from pip are asked for, and there is no python to put them into",
            "add python, at the version you want, to the dependencies",
        )
    if found.build.endswith("t"):  # _cp313t
        raise PipUnsolvable(
            f"python {found.version} {found.build} is a free-threaded one, which wheels are not chosen for",
            "take the packages from the channel, or `python-gil` with python",
        )
    return found.version


def _ranks(question: PipQuestion, python: str) -> dict[tags.Tag, int]:
    """Return the tags (PEP 425) that fit a platform with its system requirements, the best having the least rank."""
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
        major, _, minor_text = question.osx.partition(".")
        release = (int(major), int(minor_text.split(".")[0] or 0))
        platforms = list(tags.mac_platforms(release, "arm64" if machine == "aarch64" else machine))
    ordered = [
        *tags.cpython_tags(version, platforms=platforms),
        *tags.compatible_tags(version, interpreter=f"cp{version[0]}{version[1]}", platforms=platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(ordered)))}


def stand_ins(packages: Iterable[Package], folder: Path) -> tuple[dict[str, str], list[str]]:
    """Write an index (PEP 503) with an empty wheel for each distribution that conda packages bring.

    Return their versions by name, and the names whose conda version is none in Python's sense (PEP 440): uv cannot
    compare those, so they are left out of the question altogether.
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


def _former(kept: Iterable[Package], conda: Mapping[str, str]) -> str:
    """Return the wheels of the former lock as uv reads preferences: a pylock.toml (PEP 751) in the place of its
    answer.
    """
    lines = [
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        for package in kept
        if package.name not in conda
    ]
    return "".join(['lock-version = "1.0"\ncreated-by = "lockstep"\n', *lines]) if lines else ""


def _command(question: PipQuestion, python: str, work: Path, mine: Iterable[str]) -> list[str]:
    """Return uv's arguments.

    --no-config: the same answer for everybody, whatever lies in their home. Named wheels only: an sdist runs code of
    its own on the machine that locks.
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
        for name in mine:  # these have no date, and are judged by the channel's own
            command += ["--exclude-newer-package", f"{name}=false"]
    return command


def target(question: PipQuestion) -> str:
    """Return uv's name for a platform with its system requirements; :raises PipUnsolvable: where it has none."""
    machine = _MACHINES.get(question.platform)
    if machine is None:
        raise PipUnsolvable(
            f"wheels for {question.platform} cannot be chosen: uv does not know the platform",
            "take the packages from the channel, or leave the platform out",
        )
    if not question.platform.startswith("linux-"):
        return f"{machine}-apple-darwin"
    minor = int(question.glibc.split(".")[1])
    known = [tag for tag in _GLIBCS if tag <= minor]
    if not question.glibc.startswith("2.") or not known:
        raise PipUnsolvable(
            f"no wheels are made for glibc {question.glibc}", "raise the system requirements' glibc to 2.17 or more"
        )
    return f"{machine}-manylinux_2_{known[-1]}"


def _environment(question: PipQuestion) -> dict[str, str]:
    return {**os.environ, "MACOSX_DEPLOYMENT_TARGET": question.osx, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


async def _uv(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run uv; return its code and what it said."""
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
        _, said = await asyncio.wait_for(child.communicate(), TIMEOUT)
    except BaseException as error:
        child.kill()
        await child.wait()
        if isinstance(error, TimeoutError):
            raise PipUnsolvable(f"uv took longer than {TIMEOUT} s", "look at the network and the index") from None
        raise
    return child.returncode or 0, said.decode(errors="replace")


def _unsolvable(said: str, work: Path, question: PipQuestion) -> PipUnsolvable:
    """Turn what uv said into cause and remedy; its hints speak of indexes that a person never sees."""
    lines = [re.sub(r"^\s*(cause|error):\s*", "", line).strip() for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("warning:", "hint:"))]
    text = " ".join(line for line in lines if line != "No solution found when resolving dependencies")
    text = text.replace((work / "conda").as_uri(), "the channel").replace(f"{work}/", "")
    text = re.sub(r" after [0-9]+ retries in [0-9.]+m?s\b", "", redact(text))[:900].rstrip(
        ". "
    )  # alike for all platforms
    if "Failed to fetch" in said or "Could not connect" in said or "error sending request" in said:
        return PipUnsolvable(f"the package index cannot be read: {text}", "check lockstep_pip_index and the network")
    named = [
        package for package in question.conda
        for name in pypi_mapping.pypi_names(package.name)
        if pypi_mapping.is_python(package) and re.search(rf"\b{re.escape(name)}==", said)
    ]  # fmt: skip
    brought = ", ".join(sorted({f"{package.name} {package.version}" for package in named}))
    remedy = "loosen the pip lines that are named, or take those packages from the channel"
    if brought:
        remedy += f" (it already brings {brought}, which pip may not change)"
    if "no wheels" in said or "no usable wheels" in said or "only-binary" in said or "pre-built" in said:
        remedy += "; only wheels are installed, for what is built from source on a host is another thing on each"
    return PipUnsolvable(f"no solution: {text}", remedy)


def _best(wheels: Iterable[Mapping[str, Any]], ranks: Mapping[tags.Tag, int]) -> Mapping[str, Any] | None:
    """Return the wheel that pip would choose among those that fit: uv names them all."""
    ranked = []
    for wheel in wheels:
        try:
            found = parse_wheel_filename(_clean(wheel["url"]).rsplit("/", 1)[-1])
        except InvalidWheelFilename:
            continue
        fits = [ranks[tag] for tag in found[3] if tag in ranks]
        if fits and "sha256" in wheel.get("hashes", {}):
            ranked.append((min(fits), [-int(part) for part in found[2][:1]], wheel["url"], wheel))
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
                f"the index has no wheel of {name} {item.get('version')} with a sha256 that fits",
                "take it from the channel, or publish a wheel in the site's own index (lockstep_pip_index)",
            )
        size += wheel.get("size") or 0
        sha256 = wheel["hashes"]["sha256"]
        former = next((p for p in question.kept if p.name == name and p.sha256 == sha256), None)
        url = former.url if former else _clean(wheel["url"])  # the same file at another index is no change
        packages.append(Package("pip", name, question.platform, str(item["version"]), "", url, "", sha256))
    for package in packages:
        if problems := package.problems():
            raise LockError("; ".join(problems))
    return Answer(tuple(sorted(packages)), size)


def _clean(url: str) -> str:
    """Return a wheel's url without credentials, query and fragment, `+` as itself."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], unquote(parts.path), "", ""))
