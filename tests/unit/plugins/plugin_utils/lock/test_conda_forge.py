"""Locks made from real metadata of conda-forge, where a copy of some of it is at hand; and the locks of this
repository.

LOCKSTEP_CONDA_FORGE_SUBSET names a folder with `<platform>/repodata.json` or `repodata.json.bz2` of conda-forge.
"""

import json
import shutil
import time
from dataclasses import replace

import pytest
import rattler
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance

from tests.support.conda_forge import needs_metadata
from tests.support.paths import CHECKOUT

COMMITTED = sorted((CHECKOUT / "envs" / "locks").rglob("*.conda-lock.yml"))


def ids(path):
    return f"{path.parent.name}/{path.name.removesuffix(lockfile.SUFFIX)}"


@pytest.mark.parametrize("path", COMMITTED, ids=ids)
def test_committed_locks_are_sound(path):
    text = path.read_text()
    lock = Lock.loads(text, str(path), ["conda-forge"])
    assert lock.dumps() == text, "written in another way than this version would"
    for platform in lock.platforms:
        made = lockfile.plan(lock, path.name.removesuffix(lockfile.SUFFIX), platform, channels=["conda-forge"])
        assert plans.check(made.to_json()) == [] and made.download_bytes > 10**8


@pytest.mark.parametrize("path", [path for path in COMMITTED if path.parent.name == "dev"], ids=ids)
def test_py_rattler_reads_the_committed_locks(path):
    read, ours = rattler.LockFile.from_path(str(path)), Lock.loads(path.read_text(), str(path))
    for platform in read.platforms():
        records = read.default_environment().conda_repodata_records_for_platform(platform)
        assert {(str(r.url), r.sha256.hex()) for r in records} == {(p.url, p.sha256) for p in ours.of(platform.name)}


def test_every_spec_has_a_lock_and_a_smoke_test():
    names = {path.stem for path in (CHECKOUT / "envs").glob("*.yml")}
    assert names == {path.name.removesuffix(lockfile.SUFFIX) for path in COMMITTED if path.parent.name == "dev"}
    for name in names:
        path = CHECKOUT / "envs" / f"{name}.smoke.py"
        compile(path.read_text(), str(path), "exec")
        lock = CHECKOUT / provenance.lock_path("envs/locks/dev", name)
        assert Lock.loads(lock.read_text()).smoke_test == path.read_text()


def test_locks_beyond_the_first_tier_have_their_provenance():
    for path in COMMITTED:
        if path.parent.name != "dev":
            beside = path.with_name(path.name.removesuffix(lockfile.SUFFIX) + provenance.SUFFIX)
            assert provenance.loads(beside.read_bytes(), path.read_bytes()), path


@pytest.fixture
def site(metadata, tmp_path):
    """The settings of the example inventory, for a copy of this repository's specs."""
    declared = yaml.safe_load((CHECKOUT / "inventory" / "fleet" / "group_vars" / "all.yml").read_text())
    envs = tmp_path / "envs"
    envs.mkdir()
    return Settings(envs, envs / "locks", "dev", repodata_alias=str(metadata),
                    system_requirements=declared["lockstep_system_requirements"],
                    platforms=tuple(declared["lockstep_platforms"]), cache=tmp_path / "cache")  # fmt: skip


def spec(site, *dependencies, name="x", more=""):
    (site.envs_dir / f"{name}.yml").write_text("dependencies:\n" + "".join(f"  - {d}\n" for d in dependencies) + more)


@needs_metadata
def test_the_committed_locks_are_what_the_specs_give(site):
    for path in (*(CHECKOUT / "envs").glob("*.yml"), *(CHECKOUT / "envs").glob("*.smoke.py")):
        shutil.copy(path, site.envs_dir)
    outcomes = run(site, write=False)
    assert [finding.text() for outcome in outcomes for finding in outcome.findings] == []
    for outcome in outcomes:
        committed = CHECKOUT / "envs" / "locks" / "dev" / outcome.path.name
        assert outcome.new_text == committed.read_text(), f"{outcome.name}: run playbooks/lock.yml"


@needs_metadata
def test_the_committed_packages_are_genuine(metadata):
    known = {}
    for path in (metadata / "conda-forge").glob("*/repodata.json"):
        for files in (json.loads(path.read_text())[kind] for kind in ("packages", "packages.conda")):
            known |= {f"{path.parent.name}/{name}": record["sha256"] for name, record in files.items()}
    for path in COMMITTED:
        for package in Lock.loads(path.read_text(), str(path)).packages:
            assert known[f"{package.subdir}/{package.file_name}"] == package.sha256


@needs_metadata
def test_a_large_gpu_environment_locks_in_seconds_and_always_alike(site):
    spec(site, "python 3.12.*", "pytorch-gpu", "cuda-version 12.*", "numpy", "pandas", "scikit-learn", "jupyterlab",
         "matplotlib", more="platforms: [linux-64, linux-aarch64]\n")  # fmt: skip
    spec(site, "python 3.12.*", "jupyterlab", "matplotlib", "scipy", name="y")
    started = time.process_time()
    outcomes = run(site, write=True)
    assert time.process_time() - started < 20  # of work: a busy machine takes longer
    assert [f.text() for outcome in outcomes for f in outcome.findings] == []
    sizes = {(o.name, item["platform"]): item["packages"] for o in outcomes for item in o.platforms}
    assert sizes["x", "linux-64"] > 290 and len(sizes) == 5
    assert not any(outcome.changed for outcome in run(site, write=False))


@needs_metadata
@pytest.mark.parametrize(
    "packages", [("pytorch", "python 3.12.*"), ("jax", "python 3.13.*"), ("pytorch", "torchvision", "python 3.13.*")]
)
def test_a_system_requirements_that_is_too_low_for_the_gpu_build_is_noticed(site, packages):
    spec(site, *packages, more="platforms: [linux-64]\n")
    (outcome,) = run(replace(site, system_requirements={"cuda": "12.4", "glibc": "2.28"}), write=False)
    assert "cpu-build" in {f.code for f in outcome.findings}, outcome.platforms


@needs_metadata
def test_the_system_requirements_that_would_do_is_named(site):
    spec(site, "python 3.12.*", "pytorch-gpu", "torchvision", more="platforms: [linux-64]\n")
    (outcome,) = run(replace(site, system_requirements={"cuda": "12.8", "glibc": "2.28"}), write=False)
    assert "solvable with cuda 12.9 in place of 12.8 in the system requirements" in outcome.findings[0].text()


@needs_metadata
def test_a_package_update_moves_little(site):
    spec(site, "python 3.12.*", "pandas <3", "scikit-learn", "matplotlib")
    run(site, write=True)
    spec(site, "python 3.12.*", "pandas", "scikit-learn", "matplotlib")
    assert not run(site, write=True)[0].changed
    (outcome,) = run(replace(site, update=("pandas",)), write=True)
    moved = [line for line in outcome.difference if line.startswith(("  ~", "  +", "  -"))]
    assert any("pandas 2" in line and "-> 3" in line for line in moved) and len(moved) <= 3 * 4, moved
