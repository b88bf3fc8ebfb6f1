"""Wheels of a plan, installed for real by pip into real generations, from an index in a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build, wheels
from ansible_collections.lockstep.fleet.plugins.module_utils.gc import collect
from ansible_collections.lockstep.fleet.plugins.module_utils.host import disk_space, fs
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import PlannedWheel
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import verified_manifest
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import read_marker
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings, SettingsError

from tests.support.damage import damage_of
from tests.support.package_index import Index
from tests.support.tiny_channel import SITE, Channel, make_channel, make_store


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "simple")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "root")


def options(index: Index, **other: Any) -> build.Options:
    return build.Options(**{"pip_index": index.url, "pip_check": False} | other)


def python(store: Store, code: str) -> str:
    done = subprocess.run([f"{store.envs}/train/bin/python", "-I", "-c", code], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def delta(index: Index, **other: Any) -> dict[str, str]:
    return index.add("Delta_x", "1.5", "alpha", files={"delta/__init__.py": b"def main():\n    print('delta')\n"},
                     scripts="delta = delta:main", **other)  # fmt: skip


def test_wheels_lie_beside_condas_files(channel: Channel, index: Index, store: Store) -> None:
    wheel = delta(index)
    plan = channel.plan("train", "python", "alpha", pip=[wheel], smoke="import delta, alpha, Delta_x")
    result = build.build(store, plan, options(index))
    final = Path(store.path("train", result["name"]))
    assert result["downloaded"] == ["alpha", "delta-x", "python"] and result["downloaded_bytes"] > 0
    assert damage_of(str(final), "hashes") == [], "the wheel's files are in the manifest"
    manifest = verified_manifest(str(final)) or {}
    assert {f"{SITE}/delta/__init__.py", f"{SITE}/Delta_x-1.5.dist-info/METADATA", "bin/delta"} <= set(manifest)
    assert any(path.startswith(f"{SITE}/delta/__pycache__/") for path in manifest), "byte-compiled like the rest"
    script = (final / "bin/delta").read_text()
    assert script.startswith(f"#!{final}/bin/python") and ".new" not in script
    assert subprocess.run([final / "bin/delta"], capture_output=True, text=True).stdout == "delta\n"
    assert (final / SITE / "Delta_x-1.5.dist-info/INSTALLER").read_text() == "lockstep\n"
    assert not os.access(final / SITE, os.W_OK) or os.geteuid() == 0
    assert not list(final.glob("**/direct_url.json"))
    for path in final.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert f".{result['name']}.new".encode() not in path.read_bytes(), path
    assert not build.build(store, plan, options(index))["changed"]


def test_every_host_has_the_same_content(channel: Channel, index: Index, tmp_path: Path) -> None:
    """Two roots at one path, as two hosts have them."""
    plan = channel.plan("train", "python", "alpha", pip=[delta(index)])
    marks = []
    for _ in range(2):
        store = make_store(tmp_path / "root")
        result = build.build(store, plan, options(index))
        marker, _ = read_marker(store.path("train", result["name"]))
        manifest = verified_manifest(store.path("train", result["name"])) or {}
        marks.append((marker and marker.content, {path: e.sha256 for path, e in manifest.items() if "RECORD" in path}))
        fs.remove(str(tmp_path / "root"))
    assert marks[0] == marks[1] and marks[0][0]


def test_the_digest_is_another_with_another_wheel(channel: Channel, index: Index) -> None:
    one = channel.plan("train", "python", "alpha", pip=[delta(index)])
    two = channel.plan("train", "python", "alpha", pip=[delta(index, tag="py2.py3-none-any")])
    assert one.digest != two.digest != channel.plan("train", "python", "alpha").digest


def test_a_repair_needs_no_index(channel: Channel, index: Index, store: Store) -> None:
    plan = channel.plan("train", "python", "alpha", pip=[delta(index)])
    result = build.build(store, plan, options(index))
    damaged = Path(store.path("train", result["name"]), SITE, "delta/__init__.py")
    damaged.parent.chmod(0o755)
    damaged.chmod(0o644)
    damaged.write_text("broken = 1\n")
    subprocess.run(["rm", "-r", index.folder], check=True)
    assert build.inspect(store, plan, "stats").state == "damaged"
    again = build.build(store, plan, options(index))
    assert again["repaired"] and again["downloaded"] == [] and python(store, "import delta; delta.main()") == "delta"


def test_a_kept_wheel_that_was_damaged_is_fetched_again(channel: Channel, index: Index, store: Store) -> None:
    wheel = delta(index)
    build.build(store, channel.plan("train", "python", "alpha", pip=[wheel]), options(index))
    Path(wheels.path_of(store, PlannedWheel(**wheel))).write_bytes(b"rot")
    other = channel.plan("train", "python", "alpha", "beta", pip=[wheel])
    result = build.build(store, other, options(index))
    assert result["downloaded"] == ["beta", "delta-x"] and python(store, "import delta, beta; print(1)") == "1"


def refusal(channel: Channel, index: Index, store: Store, wheel: dict[str, str], **other: Any) -> str:
    """Build once without the wheel, then with it, which must fail; return what was said."""
    build.build(store, channel.plan("train", "python", "alpha"), options(index))
    live = store.published("train")
    plan = channel.plan("train", "python", "alpha", pip=[wheel])
    with pytest.raises(Problem) as caught:
        build.build(store, plan, options(index, **other))
    assert store.published("train") == live and python(store, "import alpha; print(1)") == "1"
    assert not [path for path in Path(store.path("train")).iterdir() if path.name.endswith((".new", ".trash"))]
    assert not [path for path in Path(store.wheels).iterdir() if path.name.startswith(".")]
    said = str(caught.value)
    assert "Remedy" in said and "Traceback" not in said
    return said


def test_a_wheel_with_other_contents(channel: Channel, index: Index, store: Store) -> None:
    wheel = delta(index)
    said = refusal(channel, index, store, wheel | {"sha256": "0" * 64})
    assert "not the file that was locked" in said and "delta-x" in said


def test_an_index_that_does_not_have_it(channel: Channel, index: Index, store: Store) -> None:
    wheel = delta(index)
    (index.folder / "delta-x" / wheel["file_name"]).unlink()
    index.write("delta-x")
    assert "does not have it" in refusal(channel, index, store, wheel)


def test_an_index_that_cannot_be_reached(channel: Channel, index: Index, store: Store) -> None:
    build.build(store, channel.plan("train", "python"), options(index))
    plan = channel.plan("train", "python", "alpha", pip=[delta(index)])
    with pytest.raises(Problem, match="index cannot be reached") as caught:
        wanted = build.Options(pip_index="http://someone:hidden@127.0.0.1:9/simple")
        os.environ["PIP_RETRIES"] = "1"
        try:
            build.build(store, plan, wanted)
        finally:
            del os.environ["PIP_RETRIES"]
    assert "hidden" not in str(caught.value)


def test_a_wheel_over_condas_files(channel: Channel, index: Index, store: Store) -> None:
    """pip knows the software by another name than conda, so only the files tell."""
    wheel = index.add("alpha-fork", "9.0", files={"alpha/__init__.py": b"__version__ = 'fork'\n"})
    said = refusal(channel, index, store, wheel)
    assert "would replace 1 files of conda packages" in said and f"{SITE}/alpha/__init__.py" in said
    assert "fork" not in Path(store.pkgs, "alpha-2.0-pytiny_1", "site-packages/alpha/__init__.py").read_text()


def test_a_package_of_conda_by_its_own_name(channel: Channel, index: Index, store: Store) -> None:
    said = refusal(channel, index, store, index.add("alpha", "9.0", files={"alpha/__init__.py": b""}))
    assert "files of conda packages" in said


@pytest.mark.parametrize("path", ["conda-meta/x.json", "etc/conda/activate.d/x.sh", ".lockstep/complete"])
def test_a_wheel_that_meddles_with_activation(channel: Channel, index: Index, store: Store, path: str) -> None:
    wheel = index.add("meddler", "1.0", files={f"meddler-1.0.data/data/{path}": b"x"})
    said = refusal(channel, index, store, wheel)
    assert "only conda and Lockstep may" in said and path in said


def test_pip_check_covers_wheels(channel: Channel, index: Index, store: Store) -> None:
    said = refusal(channel, index, store, index.add("needs", "1.0", "nowhere>=2"), pip_check=True)
    assert "pip check failed" in said and "nowhere" in said


def test_no_sdist_is_ever_built(channel: Channel, index: Index, store: Store) -> None:
    wheel = delta(index)
    here = index.folder / "delta-x"
    (here / wheel["file_name"]).rename(here / "delta_x-1.5.tar.gz")
    (here / "index.html").write_text('<a href="delta_x-1.5.tar.gz">x</a>')
    assert "does not have it" in refusal(channel, index, store, wheel)


def test_the_clean_takes_wheels_that_no_generation_needs(
    channel: Channel, index: Index, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "conda", lambda *_: None)
    old, new = delta(index), index.add("epsilon", "1.0")
    build.build(store, channel.plan("train", "python", "alpha", pip=[old]), options(index))
    build.build(store, channel.plan("train", "python", "alpha", pip=[new]), options(index))
    assert collect.clean(store, keep_previous=1, min_age=0)["removed"] == []
    Path(store.wheels, ".train.new").mkdir()
    entry = collect.clean(store, keep_previous=0, min_age=0)
    assert f"wheels/{old['file_name']}" in entry["removed"] and entry["ok"]
    assert [path.name for path in Path(store.wheels).iterdir()] == [new["sha256"]]


def test_an_index_with_credentials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"//<credentials>@h.example.* holds credentials.*netrc") as caught:
        wheels.check_index("https://someone:hidden@h.example/simple/")
    assert "hidden" not in str(caught.value)
    wheels.check_index("")
    wheels.check_index("https://h.example/simple/")
    asked = Settings(tmp_path, tmp_path, "dev", pip_index="https://someone:hidden@h.example/simple/")
    with pytest.raises(SettingsError, match="holds credentials"):
        run(asked, write=False)


def test_room_counts_wheels(channel: Channel, store: Store) -> None:
    wheel = {"name": "big", "version": "1", "file_name": "big-1-py3-none-any.whl", "sha256": "a" * 64, "url": ""}
    with_wheel = disk_space.estimate(channel.plan("train", "python", pip=[wheel], download_bytes=10**9), store.pkgs)
    assert with_wheel["missing"] == 2


@pytest.mark.parametrize(
    "said", ["[install]\nuser = true\n", "[install]\ntarget = /dev/null/t\n", "[global]\nno-binary = :all:\n"]
)
def test_a_sites_pip_conf_does_not_steer_what_is_installed(
    channel: Channel, index: Index, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    (tmp_path / "xdg/pip").mkdir(parents=True)
    (tmp_path / "xdg/pip/pip.conf").write_text(said)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    plan = channel.plan("train", "python", "alpha", pip=[delta(index)])
    build.build(store, plan, build.Options(pip_index=index.url))
    assert python(store, "import delta; delta.main()") == "delta"
