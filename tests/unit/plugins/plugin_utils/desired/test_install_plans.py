"""From a lock to what a host is sent."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import install_plans as packing

from tests.support.lock_samples import lock, package

TESTED = {"smoke_test": "import zlib\n"}
ALIAS = "https://conda.anaconda.org"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.conda-lock.yml"
    sample = lock(package(), package(platform="linux-aarch64"), package(platform="osx-arm64"), custom=TESTED)
    path.write_text(sample.dumps())
    return path


def unpack(text: str) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_packed_plans_hold_all_linux_platforms(path: Path, tmp_path: Path) -> None:
    made = unpack(packing.packed_plans("train", path, "https://mirror.example", None, tmp_path / "cache"))
    assert set(made) == {"linux-64", "linux-aarch64"}
    assert made["linux-64"]["smoke"] == "import zlib\n"
    assert made["linux-64"]["packages"][0]["url"].startswith("https://mirror.example/conda-forge/")


def test_packed_plans_are_cached_until_an_input_differs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    loads = packing.Lock.loads
    monkeypatch.setattr(packing.Lock, "loads", lambda *args, **more: (reads.append(1), loads(*args, **more))[1])
    arguments = ("train", path, ALIAS, None, tmp_path / "cache")
    assert packing.packed_plans(*arguments) == packing.packed_plans(*arguments) and len(reads) == 1
    packing.packed_plans("serve", *arguments[1:])
    packing.packed_plans(*arguments[:2], "https://mirror.example", *arguments[3:])
    path.write_text(lock(package(version="1.4")).dumps())
    packing.packed_plans(*arguments)
    path.write_text(lock(package(version="1.4"), custom=TESTED).dumps())
    assert unpack(packing.packed_plans(*arguments))["linux-64"]["smoke"] == "import zlib\n"
    assert len(reads) == 5


@pytest.mark.parametrize("harm", [b"", b"\xff", b"eJw", b"====", None])
def test_damaged_cache_of_packed_plans_is_replaced(path: Path, tmp_path: Path, harm: bytes | None) -> None:
    arguments = ("train", path, ALIAS, None, tmp_path / "cache")
    made = packing.packed_plans(*arguments)
    (kept,) = (tmp_path / "cache/derived").glob("*.json")
    whole = kept.read_text()
    kept.write_bytes(kept.read_bytes()[:-8] if harm is None else harm)
    assert packing.packed_plans(*arguments) == made and kept.read_text() == whole


def test_packed_plans_of_an_invalid_lock_are_refused_with_the_reason(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"has no readable lock.*playbooks/lock.yml"):
        packing.packed_plans("train", tmp_path / "absent", ALIAS, None, tmp_path)
    path.write_text(path.read_text().replace("1.3", "1.9"))
    with pytest.raises(Problem, match=f"is refused .{path}"):
        packing.packed_plans("train", path, ALIAS, None, tmp_path)


def test_packed_plans_need_no_writable_cache(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert unpack(packing.packed_plans("train", path, ALIAS, None, tmp_path / "file"))
