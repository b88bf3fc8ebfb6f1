"""Build the channel once for each set of inputs: aside, verified, then renamed; what is half done is never served."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import rattler
import rattler.index
from packaging.utils import canonicalize_name

from local.fakes.channel import condapkg, interpreter, own, verify, wheel_packages
from local.fakes.installer import build as installer
from local.fleet import paths
from local.fleet.errors import FleetError

CHANNEL = "local-forge"
URL = f"http://10.77.0.2:8000/{CHANNEL}"
HERE = paths.FAKES / "channel"
INPUTS = [HERE, paths.FAKES / "installer", paths.FAKES / "conda"]
Say = Callable[[str], None]


def key_of(prefix: Path, minor: str) -> str:
    """What decides the channel's bytes, as 12 hex digits: our files, the machine's Python, the compiler."""
    python = prefix / f"bin/python{minor}"
    stamp = f"{python.resolve()} {python.stat().st_size} {python.stat().st_mtime_ns}"
    return paths.digest_of(INPUTS, minor, stamp, own.compiler(), rattler.__version__)[:12]


def ensure(say: Say) -> Path:
    """Ensure the channel; returns its folder. Slow the first time only (the wheels are 90 MB to download)."""
    prefix, minor = interpreter.choose(interpreter.candidates())
    base = paths.cache() / "channel"
    final = base / key_of(prefix, minor)
    if not (final / "summary.json").exists():
        started = time.monotonic()
        aside = base / f".{final.name}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            build(aside, prefix, minor, say)
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        say(
            f"channel: {summary(final)['packages']} packages and the installer after {time.monotonic() - started:.0f} s"
        )
    link = base / "current"
    if not link.is_symlink() or link.readlink() != Path(final.name):
        fresh = base / f".current.{os.getpid()}"
        fresh.symlink_to(final.name)
        fresh.replace(link)
        _sweep(base, final)
    return final


def _sweep(base: Path, final: Path) -> None:
    """Remove older channels; a fleet that still serves one keeps its open mount until it is made anew."""
    for old in base.iterdir():
        if old.is_dir() and not old.is_symlink() and old != final and len(old.name) == 12:
            shutil.rmtree(old, ignore_errors=True)


def summary(channel: Path) -> dict[str, str]:
    """What a built channel says about itself: python, installer, its sha256, version, number of packages."""
    found: dict[str, str] = json.loads((channel / "summary.json").read_text())
    return found


def download(requirements: Path, minor: str, say: Say) -> list[Path]:
    """The pinned wheels, from the cache or the package index; a cut download leaves nothing, FleetError says why."""
    base = paths.cache() / "wheels"
    final = base / f"{requirements.stem}-{minor}-{paths.digest_of([requirements])[:12]}"
    if not final.is_dir():
        aside = base / f".{final.name}.{os.getpid()}"
        aside.mkdir(parents=True, exist_ok=True)
        try:
            say(f"wheels: downloading {requirements.stem} for Python {minor}")
            environment = {**os.environ, "PIP_CACHE_DIR": str(paths.cache() / "pip")}
            done = subprocess.run(
                wheel_packages.pip_command(requirements, minor, aside),
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            if done.returncode:
                said = "\n  ".join(done.stderr.strip().splitlines()[-5:])
                raise FleetError(
                    f"pip could not download {requirements.name}:\n  {said}", "check the network, then run it again"
                )
            aside.rename(final)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return sorted(final.glob("*.whl"))


def timeless(subdir: Path) -> None:
    """Write an index again without the time of day: the same packages give the same index."""
    index = json.loads((subdir / "repodata.json").read_text())
    for kind in ("packages", "packages.conda"):
        for record in index.get(kind, {}).values():
            if "indexed_timestamp" in record:
                record["indexed_timestamp"] = condapkg.EPOCH * 1000
    (subdir / "repodata.json").write_text(json.dumps(index, sort_keys=True, separators=(",", ":")))
    (subdir / "repodata.json.zst").unlink(missing_ok=True)  # a few kilobytes need no second form


def simple_index(out: Path, found: list[Path]) -> None:
    """Lay wheels out as a package index (PEP 503), for pip sections."""
    for wheel in found:
        folder = out / canonicalize_name(wheel.name.split("-")[0])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, folder)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        with (folder / "index.html").open("a") as page:
            page.write(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a><br>\n')


def build(out: Path, prefix: Path, minor: str, say: Say) -> None:
    """Make channel, index and installer in an empty folder, and verify them."""
    channel = out / CHANNEL
    pinned = [w for name in ("current", "older") for w in download(HERE / "wheels" / f"{name}.txt", minor, say)]
    say(f"channel: packing Python {minor} from {prefix} and {len(pinned)} wheels (about half a minute)")
    with ProcessPoolExecutor(2) as pool:  # python is the longest: first
        python = pool.submit(interpreter.package, prefix, minor, channel)
        jobs = [
            pool.submit(wheel_packages.convert, wheel, channel, minor)
            for wheel in sorted(pinned, key=lambda w: -w.stat().st_size)
        ]
        own.make_all(channel, minor)
        for job in jobs:
            job.result()
        version = python.result()
    # no shards: rattler's cache of the shard index breaks on a 304 from a plain static server
    asyncio.run(rattler.index.index_fs(channel, write_shards=False, force=True))
    for subdir in ("linux-64", "noarch"):
        timeless(channel / subdir)
    shutil.rmtree(channel / ".tmp", ignore_errors=True)
    name = f"py{minor.replace('.', '')}_26.5.3-1+fake"
    script = out / "miniconda" / f"Miniconda3-{name}-Linux-x86_64.sh"
    installer.make(channel, URL, script)
    (out / "rattler").mkdir()
    for wheel in pinned:  # py-rattler as the roles unpack it, so that a converge needs no package index
        if wheel.name.startswith("py_rattler-"):
            shutil.copy(wheel, out / "rattler" / wheel.name)
    simple_index(out / "simple", download(HERE / "wheels" / "pip.txt", minor, say))
    problems = verify.channel(channel)
    if problems:
        raise FleetError("the channel that was built is wrong:\n  " + "\n  ".join(problems[:10]))
    facts = {
        "python": version,
        "packages": str(sum(1 for _ in channel.rglob("*.conda"))),
        "version": name,
        "installer": script.name,
        "sha256": script.with_name(script.name + ".sha256").read_text().split()[0],
    }
    (out / "summary.json").write_text(json.dumps(facts, indent=1) + "\n")
