"""Packages of our own making: the fake conda, simulated CUDA, and one that has what packages can have."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local.fakes.channel import condapkg
from local.fakes.channel.condapkg import Package, place
from local.fakes.channel.interpreter import run
from local.fleet import paths

FAKE = paths.FAKES / "conda"
PRINTER = """\
#include <stdio.h>
/* the prefix is compiled in: the program that links this package must write the true one here, at this length */
static const volatile char prefix[] = "@PREFIX@";
int main(void) { for (const volatile char *c = prefix; *c; c++) putchar(*c); putchar('\\n'); return 0; }
"""
POST_LINK = """\
#!/bin/sh
# runs after linking, as conda's post-link scripts do: PREFIX, PKG_NAME and PKG_VERSION are set
set -eu
mkdir -p "$PREFIX/share/prefix-demo"
echo "$PKG_NAME $PKG_VERSION was linked" >"$PREFIX/share/prefix-demo/linked.txt"
"""
ACTIVATE = 'export PREFIX_DEMO="@PREFIX@/share/prefix-demo"\n'
TORCH = '''\
"""A simulated torch for hosts without a GPU: it says which build it is, and that it is simulated."""
__version__ = "{version}"
simulated = True
build = "{build}"


def cuda_version():
    """The CUDA that this build is for, or None for the CPU build."""
    return {cuda!r}
'''


def fake_version() -> str:
    """The version that the fake conda gives itself."""
    for line in (FAKE / "conda_fake" / "__init__.py").read_text().splitlines():
        if line.startswith("VERSION"):
            return line.split('"')[1]
    raise ValueError("conda_fake has no VERSION line")


def write(
    out: Path, root: Path, name: str, version: str, build: str, depends: list[str], summary: str, **more: Any
) -> None:
    """Write a package of what is below `root`; all of ours have one licence."""
    condapkg.write(out, root, Package(name, version, build, depends, license="Apache-2.0", summary=summary, **more))


def conda(out: Path, minor: str) -> None:
    """The fake: everything under root as it is, and the package conda_fake."""
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        for file in sorted((FAKE / "root").rglob("*")):
            if file.is_file():
                place(
                    root,
                    file.relative_to(FAKE / "root").as_posix(),
                    file.read_text(),
                    bool(file.stat().st_mode & 0o100),
                )
        shutil.copytree(
            FAKE / "conda_fake",
            root / f"lib/python{minor}/site-packages/conda_fake",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        summary = "Fake conda, for Lockstep's offline local fleet"
        build = f"py{minor.replace('.', '')}{{hash}}_0"
        write(out, root, "conda", fake_version(), build, [f"python {minor}.*", "py-rattler"], summary)


def prefix_demo(out: Path, version: str) -> None:
    """Placeholders in a text and in a binary, a post-link script, an activation script, a link, a name with spaces."""
    with tempfile.TemporaryDirectory() as tmp:
        root, source = Path(tmp) / "root", Path(tmp) / "printer.c"
        source.write_text(PRINTER.replace("@PREFIX@", condapkg.PLACEHOLDER))
        (root / "bin").mkdir(parents=True)
        run("cc", "-O1", "-s", "-Wl,--build-id=none", "-o", root / "bin/prefix-demo", source)
        place(root, "etc/prefix-demo.conf", f"version = {version}\nprefix = @PREFIX@\n")
        place(root, "etc/conda/activate.d/prefix-demo.sh", ACTIVATE)
        place(root, "etc/conda/deactivate.d/prefix-demo.sh", "unset PREFIX_DEMO\n")
        place(root, "share/prefix-demo/a name with spaces.txt", "and UTF-8: ümlaut\n")
        (root / "share/prefix-demo/link.txt").symlink_to("a name with spaces.txt")
        place(root, "bin/.prefix-demo-post-link.sh", POST_LINK, executable=True)
        summary = "Shows what linking does to a package"
        write(out, root, "prefix-demo", version, "{hash}_0", ["__glibc >=2.34"], summary)


def cuda(out: Path, version: str) -> None:
    """Simulated CUDA: `cuda-version` constrains, `cuda-runtime-sim` needs a driver."""
    with tempfile.TemporaryDirectory() as tmp:
        major = version.split(".")[0]
        one, two = Path(tmp) / "one", Path(tmp) / "two"
        place(one, "share/cuda-version/simulated.txt", f"simulated: stands for CUDA {version}, holds nothing of it\n")
        summary, limits = f"Simulated: CUDA {version} as a constraint", (f"__cuda >={major}",)
        write(out, one, "cuda-version", version, "{hash}_3", [], summary, noarch="generic", constrains=limits)
        text = f"simulated: stands for the CUDA {version} runtime, holds nothing of it\n"
        place(two, "lib/cuda-runtime-sim/simulated.txt", text)
        depends = ["__cuda", f"cuda-version >={version},<{int(major) + 1}"]
        summary = f"Simulated CUDA {version} runtime: needs a driver, holds nothing"
        write(out, two, "cuda-runtime-sim", f"{version}.0", "{hash}_0", depends, summary)


def torch(out: Path, version: str, minor: str, cuda_version: str | None) -> None:
    """A simulated PyTorch in a CUDA and a CPU build, as conda-forge has them: the CUDA one is preferred."""
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        number = minor.replace(".", "")
        kind = f"cuda{cuda_version.replace('.', '')}" if cuda_version else "cpu"
        site = f"lib/python{minor}/site-packages"
        place(root, f"{site}/torch_sim/__init__.py", TORCH.format(version=version, build=kind, cuda=cuda_version))
        dist = f"torch_sim-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: torch-sim\nVersion: {version}\nRequires-Dist: numpy\n"
        place(root, f"{site}/{dist}/METADATA", metadata)
        place(root, f"{site}/{dist}/INSTALLER", "conda\n")
        recorded = ["torch_sim/__init__.py", *(f"{dist}/{name}" for name in ("METADATA", "INSTALLER", "RECORD"))]
        place(root, f"{site}/{dist}/RECORD", "".join(f"{file},,\n" for file in recorded))
        depends = [f"python {minor}.*", "numpy >=2"]
        if cuda_version:
            depends += [
                "__cuda",
                f"cuda-version >={cuda_version},<{int(cuda_version.split('.')[0]) + 1}",
                f"cuda-runtime-sim >={cuda_version}",
            ]
        preferred = 200 if cuda_version else 0
        build, summary = f"{kind}_py{number}_{{hash}}_{preferred}", f"Simulated PyTorch, {kind} build"
        write(out, root, "torch-sim", version, build, sorted(depends), summary, number=preferred)


def make_all(out: Path, minor: str) -> None:
    """Write all of them."""
    conda(out, minor)
    for version in ("1.0", "1.1"):
        prefix_demo(out, version)
    for version in ("12.6", "12.8", "13.0"):
        cuda(out, version)
    for version in ("2.7.1", "2.8.0"):
        torch(out, version, minor, None)
        torch(out, version, minor, "12.8" if version == "2.8.0" else "12.6")


def compiler() -> str:
    """The C compiler's own words about its version: part of what decides the packages' bytes."""
    return (
        subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
        if shutil.which("cc")
        else ""
    )
