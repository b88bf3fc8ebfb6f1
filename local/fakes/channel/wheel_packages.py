"""Real wheels as conda packages."""

from __future__ import annotations

import base64
import configparser
import hashlib
import os
import sys
import tempfile
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from local.fakes.channel import condapkg

RENAMED = {"tzdata": "python-tzdata"}  # where conda-forge's name differs
TAGS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
)


def pip_command(requirements: Path, minor: str, folder: Path) -> list[str]:
    """The pip command line that downloads exactly the pinned wheels for one Python on linux x86_64 into a folder."""
    platforms = [argument for tag in TAGS for argument in ("--platform", tag)]
    flags = "--quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: --implementation cp"
    command = [sys.executable, "-I", "-m", "pip", "download", *flags.split(), "--python-version", minor, *platforms]
    return [*command, "--dest", str(folder), "--requirement", str(requirements)]


def conda_name(name: str) -> str:
    """The name of a PyPI project as a conda package."""
    return RENAMED.get(canonicalize_name(name), canonicalize_name(name))


def depends(requires: list[str], minor: str) -> list[str]:
    """Match specs for the `Requires-Dist` lines that hold on linux x86_64 with one Python."""
    environment = {
        "python_version": minor,
        "python_full_version": f"{minor}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    found = [Requirement(r) for r in requires]
    held = [r for r in found if not r.marker or r.marker.evaluate(environment)]
    return sorted(f"{conda_name(r.name)} {','.join(sorted(map(str, r.specifier)))}".strip() for r in held)


def _spread(wheel: Path, root: Path, site: str, scripts: str) -> tuple[Message, list[str]]:
    """Unpack as pip would: data folders to their places, scripts with the environment's own interpreter."""
    points = configparser.ConfigParser(delimiters="=", interpolation=None)
    points.optionxform = str  # type: ignore[method-assign,assignment]
    record = []
    with zipfile.ZipFile(wheel) as archive:
        info = next(n.split("/")[0] for n in archive.namelist() if n.split("/")[0].endswith(".dist-info"))
        for item in archive.infolist():
            if item.is_dir() or item.filename == f"{info}/RECORD":
                continue
            parts, data = item.filename.split("/"), archive.read(item)
            if parts[0].endswith(".data"):
                place = {"purelib": site, "platlib": site, "scripts": scripts, "data": "", "headers": "include"}[
                    parts[1]
                ]
                target, parts = root / place / "/".join(parts[2:]), parts[1:]
                if parts[0] == "scripts" and data.startswith(b"#!python"):
                    data = b"#!" + condapkg.PLACEHOLDER.encode() + b"/bin/python\n" + data.split(b"\n", 1)[1]
            else:
                target = root / site / item.filename
            record.append(target)
            condapkg.place(
                root,
                str(target.relative_to(root)),
                data,
                parts[0] == "scripts" or bool(item.external_attr >> 16 & 0o100),
            )
        meta = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode())
        if f"{info}/entry_points.txt" in archive.namelist():
            points.read_string(archive.read(f"{info}/entry_points.txt").decode())
    record.append(condapkg.place(root, f"{site}/{info}/INSTALLER", "conda\n"))
    lines = []
    for path in sorted(record):
        data, where = path.read_bytes(), os.path.relpath(path, root / site)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(
            f"{where},,\n" if condapkg.PLACEHOLDER.encode() in data else f"{where},sha256={digest},{len(data)}\n"
        )
    condapkg.place(root, f"{site}/{info}/RECORD", "".join(lines) + f"{info}/RECORD,,\n")
    console = dict(points["console_scripts"]) if points.has_section("console_scripts") else {}
    return meta, [f"{name} = {target.split('[')[0].strip()}" for name, target in console.items()]


def script_of(point: str) -> tuple[str, str]:
    """Name and text of the script for an entry point "name = module:function"."""
    name, _, target = point.partition(" = ")
    module, _, function = target.partition(":")
    importing = f"#!@PREFIX@/bin/python\nimport sys\nfrom {module} import {function.split('.')[0]}\n"
    text = f'{importing}if __name__ == "__main__":\n    sys.exit({function}())\n'
    return name, text


def license_of(meta: Message) -> str:
    """One line about the licence."""
    said = str(meta.get("License-Expression") or meta.get("License") or "").strip()
    return said.splitlines()[0][:60] if said else "unknown"


def convert(wheel: Path, out: Path, minor: str) -> Path:
    """Write the conda package of a wheel; pure ones become noarch."""
    _, version, _, tags = parse_wheel_filename(wheel.name)
    pure = all(t.abi == "none" and t.platform == "any" for t in tags)
    abi = "cp" + minor.replace(".", "")
    site, scripts = ("site-packages", "python-scripts") if pure else (f"lib/python{minor}/site-packages", "bin")
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        meta, points = _spread(wheel, root, site, scripts)
        needs = depends(meta.get_all("Requires-Dist") or [], minor)
        if pure:
            oldest = meta.get("Requires-Python")
            own = [f"python {','.join(s.strip() for s in oldest.split(','))}" if oldest else "python"]
        else:
            major, small = minor.split(".")
            own = [f"python >={minor},<{major}.{int(small) + 1}.0a0", f"python_abi {minor}.* *_{abi}", "__glibc >=2.28"]
            for point in points:  # noarch packages get theirs when they are linked
                name, text = script_of(point)
                condapkg.place(root, f"bin/{name}", text, executable=True)
        package = condapkg.Package(
            conda_name(str(meta["Name"])),
            str(version),
            "pyh{hash}_0" if pure else f"py{abi[2:]}{{hash}}_0",
            sorted(own + needs),
            noarch="python" if pure else None,
            license=license_of(meta),
            summary=str(meta.get("Summary") or ""),
            entry_points=points,
        )
        return condapkg.write(out, root, package)
