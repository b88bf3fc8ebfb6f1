"""conda-lock's own library reads our locks, and finds in them what we do.

It lies in a folder of its own (local/setup.sh puts it there), since it wants older packages than the rest; so it runs
in a process of its own. Without it the tests are skipped by name.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import SUFFIX, Lock

from tests.support.lock_samples import lock, package
from tests.support.paths import CHECKOUT

COMMITTED = sorted((CHECKOUT / "envs" / "locks" / "dev").glob(f"*{SUFFIX}"))
LOCAL = sorted((CHECKOUT / ".lockstep" / "local" / "locks" / "dev").glob(f"*{SUFFIX}"))
READ = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from conda_lock.lockfile import parse_conda_lock_file
found = {}
for path in sys.argv[2:]:
    try:
        lock = parse_conda_lock_file(pathlib.Path(path))
    except Exception as error:
        found[path] = str(error)
        continue
    found[path] = [
        [p.manager, p.platform, p.name, p.version, p.build or "", p.url, p.hash.md5 or "", p.hash.sha256 or "",
         sorted(p.dependencies.items())]
        for p in lock.package
    ]
    found[path].append(["smoke test", "", (lock.metadata.custom_metadata or {}).get("smoke_test", "")])
print(json.dumps(found))
"""


def reader() -> Path:
    """Where conda-lock lies for this Python; as local/setup.sh names it."""
    cache = Path(os.environ.get("LOCKSTEP_CACHE") or "~/.cache/lockstep").expanduser()
    pins = (CHECKOUT / "requirements" / "conda-lock.txt").read_bytes()
    key = hashlib.sha256(pins + f"{sys.version_info[:2]}\n".encode()).hexdigest()[:16]
    return cache / "conda-lock" / key


def read(*paths: Path) -> list[list]:
    """Return what conda-lock finds in each file: its packages, sorted (it gives what is needed first) with the smoke
    test, or the text of its refusal.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", READ, str(reader()), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    return [sorted(what) if isinstance(what, list) else what for what in map(found.get, map(str, paths))]


def ours(text: str) -> list[list]:
    read = Lock.loads(text)
    packages = [
        [p.manager, p.platform, p.name, p.version, p.build, p.url, p.md5, p.sha256, [list(d) for d in p.dependencies]]
        for p in read.packages
    ]
    return sorted([*packages, ["smoke test", "", read.smoke_test]])


@pytest.fixture(scope="session")
def conda_lock():
    if not reader().is_dir():
        pytest.skip(f"conda-lock is not in {reader()}: run make setup")


def test_conda_lock_reads_the_committed_locks(conda_lock):
    found = read(*COMMITTED)
    assert len(found) >= 4 and not any(["smoke test", "", ""] in packages for packages in found)
    for path, packages in zip(COMMITTED, found, strict=True):
        assert packages == ours(path.read_text()), path


def test_conda_lock_reads_the_locks_of_the_local_fleet(conda_lock):
    if not LOCAL:
        pytest.skip("there are no locks of a local fleet: run make up")
    for path, packages in zip(LOCAL, read(*LOCAL), strict=True):
        assert packages == ours(path.read_text()), path


def test_conda_lock_reads_wheels_and_several_channels(conda_lock, tmp_path):
    """Wheels, several platforms, variables, and names and versions that YAML would take for something else."""
    wheel = package(
        "einops-exts",
        "0.0.4",
        "",
        manager="pip",
        md5="",
        url="https://files.example/packages/einops_exts-0.0.4-py3-none-any.whl",
    )
    whole = lock(
        package("python", "3.12.1", "h1_0_cp312", dependencies=(("__glibc", ">=2.17"), ("zlib", ">=1.2,<2.0a0"))),
        package("zlib", "1.10", "0"),
        package("on", "2024", "1_0"),
        package(platform="osx-arm64"),
        wheel,
        custom={"variables": '{"OMP_NUM_THREADS":"4"}', "system_requirements": '{"cuda":"12.8"}'},
    ).dumps()
    path = tmp_path / f"x{SUFFIX}"
    path.write_text(whole)
    (found,) = read(path)
    assert found == ours(whole)
    assert [p for p in found if p[0] == "pip"] == [
        ["pip", "linux-64", "einops-exts", "0.0.4", "", wheel.url, "", wheel.sha256, []]
    ]
    assert {p[3] for p in found if p[2] == "zlib" and p[1] == "linux-64"} == {"1.10"}


def test_it_reads_the_smoke_test(conda_lock, tmp_path):
    """Also what no literal block can hold."""
    middles = ["a = 'b: c'  # d\n\nassert a", "a \n\tb", "a\r\nb", '\u00e9\u2028\U0001f600 \\ "']
    ends = itertools.product(["", "\n", "  ", "\t", "\ufeff"], middles, ["\n", "", " ", "\n\n"])
    for number, parts in enumerate([("", "", ""), *ends]):
        text = lock(package(), custom={"smoke_test": "".join(parts)}).dumps()
        (tmp_path / f"{number}{SUFFIX}").write_bytes(text.encode())
    files = sorted(tmp_path.iterdir())
    for file, found in zip(files, read(*files), strict=True):
        assert found == ours(file.read_bytes().decode()), file.read_bytes()


def test_conda_lock_refuses_an_altered_lock(conda_lock, tmp_path):
    """What it compares can differ, and a key of our own would be refused."""
    text = lock().dumps()
    (tmp_path / "other").write_text(text.replace("ab" * 32, "ac" * 32))
    (tmp_path / "own-key").write_text(text.replace("  optional: false", "  optional: false\n  size: 1", 1))
    other, own_key = read(tmp_path / "other", tmp_path / "own-key")
    assert other != ours(text) and len(other) == len(ours(text))
    assert isinstance(own_key, str) and "size" in own_key
