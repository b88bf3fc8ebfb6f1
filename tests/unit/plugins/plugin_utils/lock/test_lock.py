"""Locks made from specs with a small channel in a folder: what is asked of them before anybody trusts them with a
fleet.
"""

import base64
import functools
import http.server
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import rattler
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import atomic_write
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings, SettingsError
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.summary import lines
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.writing import complete
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import transaction
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve import explain_unsat
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.conda_solver import ChannelUnreadable

from tests.support.paths import CHECKOUT
from tests.support.small_channel import SmallChannel, usual


class Site:
    """A checkout in a folder: specs, locks and the channel that they are solved from."""

    def __init__(self, folder: Path):
        self.channel = usual(folder / "channels")
        self.settings = Settings(
            folder / "envs",
            folder / "envs" / "locks",
            "dev",
            repodata_alias=str(folder / "channels"),
            cache=folder / "cache",
        )
        self.settings.envs_dir.mkdir()

    def spec(self, *dependencies, name="train", more=""):
        lines = "".join(f"  - {line}\n" for line in dependencies)
        (self.settings.envs_dir / f"{name}.yml").write_text(f"dependencies:\n{lines}{more}")

    def run(self, write=True, **changes):
        return run(replace(self.settings, **changes), write)

    def one(self, write=True, **changes):
        (outcome,) = self.run(write, **changes)
        return outcome

    def codes(self, **changes):
        return [finding.code for outcome in self.run(**changes) for finding in outcome.findings]

    def text(self, name="train"):
        return (self.settings.locks_dir / "dev" / f"{name}.conda-lock.yml").read_text()

    def lock(self, name="train"):
        return Lock.loads(self.text(name), name)

    def versions(self, platform="linux-64", name="train"):
        return {package.name: package.version for package in self.lock(name).of(platform)}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_a_lock_is_complete_and_published(site):
    site.spec("python 3.12.*", "numpy", "six", more="variables:\n  OMP_NUM_THREADS: 4\n")
    outcome = site.one()
    assert outcome.changed and not outcome.findings
    lock = site.lock()
    assert site.versions() == {"python": "3.12.1", "numpy": "2.0", "libblas": "3.9", "six": "1.17"}
    assert all(
        p.url.startswith("https://conda.anaconda.org/conda-forge/") and len(p.sha256) == 64 for p in lock.packages
    )
    assert lock.variables == {"OMP_NUM_THREADS": "4"} and lock.download_bytes("linux-64") == 4000
    assert lock.sources == ("../../train.yml",)
    assert plans.check(lockfile.plan(lock, "train", "linux-64")) == []
    assert str(site.settings.envs_dir) not in site.text(), "no path of this machine in a lock"


def test_py_rattler_reads_what_was_made(site, tmp_path):
    site.spec("python 3.12.*", "numpy")
    site.one()
    read = rattler.LockFile.from_path(str(site.settings.locks_dir / "dev" / "train.conda-lock.yml"))
    records = read.default_environment().conda_repodata_records_for_platform(read.platforms()[0])
    assert {r.name.normalized for r in records} == {"python", "numpy", "libblas"}


def test_the_same_bytes_every_time(site):
    site.spec("python 3.12.*", "numpy", "torch-like")
    site.one(platforms=("linux-64", "osx-arm64"))
    first = site.text()
    assert not site.one(platforms=("osx-arm64", "linux-64")).changed
    (site.settings.locks_dir / "dev" / "train.conda-lock.yml").unlink()
    site.one(platforms=("linux-64", "osx-arm64"))
    assert site.text() == first


def test_nothing_is_written_in_check_mode(site):
    site.spec("python")
    assert site.one(write=False).changed
    assert not site.settings.locks_dir.exists()


def test_the_smoke_test_goes_into_the_lock(site):
    site.spec("six")
    written = site.settings.envs_dir / "train.smoke.py"
    site.one()
    before = site.text()
    assert "smoke_test" not in before
    written.write_text("import six\n\nassert six.PY3\n")
    assert site.one(write=False).difference == ["! smoke test added"] and site.text() == before
    assert site.one().changed and site.lock().smoke_test == "import six\n\nassert six.PY3\n"
    added = [line for line in site.text().splitlines() if line not in before.splitlines()]
    assert added == ["    smoke_test: |", "      import six", "", "      assert six.PY3"]
    assert not site.one(write=False).changed
    written.write_text("import six, json\n")
    assert site.one().difference == ["! smoke test changed"] and site.lock().smoke_test == "import six, json\n"
    written.write_text("")
    assert site.one().difference == ["! smoke test changed"] and not site.one().changed
    written.unlink()
    assert site.one().difference == ["! smoke test removed"] and site.text() == before


@pytest.mark.parametrize("text", ["import six\r\n", "if 1:\n\timport six \n", "import six"])
def test_an_awkward_smoke_test_keeps_its_bytes(site, text):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").write_bytes(text.encode())
    assert site.one().changed and not site.one().changed
    assert site.lock().smoke_test == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"#" * 65536 + b"\n", "has 65537 bytes, more than 65536"),
        ("\u00e9".encode() * 32769, "has 65538 bytes, more than 65536"),
        (b"import six # \x00\n", "holds a NUL character"),
    ],
)
def test_a_smoke_test_that_no_lock_may_hold_is_named(site, data, said):
    site.spec("six")
    path = site.settings.envs_dir / "train.smoke.py"
    path.write_bytes(data)
    (finding,) = site.one().findings
    assert finding.message == f"its smoke test train.smoke.py {said}" and not site.settings.locks_dir.exists()
    path.write_bytes(b"#" * 65535 + b"\n")
    assert not site.one().findings and len(site.lock().smoke_test) == 65536


def test_a_smoke_test_that_is_no_file_is_named(site):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").mkdir()
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and finding.message == "its smoke test train.smoke.py: Is a directory"


def test_a_smoke_test_that_is_no_text_is_named(site):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").write_bytes(b"import six # \xff\n")
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and "its smoke test train.smoke.py is not UTF-8 (byte 14)" in finding.message


def test_what_satisfies_the_spec_stays(site):
    site.spec("python 3.12.*", "numpy <2", "six")
    site.one()
    site.spec("python 3.12.*", "numpy", "six")
    site.channel.add("six", "1.18", "pyhd_0", ["python"], subdir="noarch")
    assert not site.one().changed
    site.one(update=("numpy",))
    assert site.versions()["numpy"] == "2.0" and site.versions()["six"] == "1.17"
    site.one(upgrade=True)
    assert site.versions()["six"] == "1.18"


def test_an_update_moves_what_it_must(site):
    site.channel.add("numpy", "3.0", "py312_0", ["python 3.12.*", "libblas >=4"])
    site.spec("python 3.12.*", "numpy <3", "six")
    site.one()
    site.channel.add("libblas", "4.0", "1_mkl").add("six", "1.18", "pyhd_0", ["python"], subdir="noarch")
    site.spec("python 3.12.*", "numpy", "six")
    outcome = site.one(update=("numpy",))
    assert site.versions() == {"python": "3.12.1", "numpy": "3.0", "libblas": "4.0", "six": "1.17"}
    assert "  ! BLAS openblas -> mkl" in outcome.difference and "  ~ numpy 2.0 -> 3.0" in outcome.difference


def test_an_update_is_not_kept_back_by_what_is_locked(site):
    """numpy 2.0 is for python 3.12, and would keep it."""
    site.spec("numpy", "six", "python")
    site.one()
    assert site.versions() == {"python": "3.12.1", "numpy": "2.0", "libblas": "3.9", "six": "1.17"}
    site.channel.add("numpy", "2.1", "py313_0", ["python 3.13.*", "libblas"])
    site.channel.add("six", "1.18", "pyhd_0", ["python"], subdir="noarch").add("libblas", "4.0", "1_mkl")
    assert not site.one().changed
    site.one(update=("python",))
    assert site.versions() == {"python": "3.13.1", "numpy": "2.1", "libblas": "3.9", "six": "1.17"}
    site.spec("numpy <2.1", "six", "python")
    site.one()
    assert not site.one(update=("python", "numpy")).changed, "no newer one fits the spec"


def test_a_changed_spec_or_system_requirements_makes_it_stale(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    assert not site.one(write=False).changed
    assert site.one(write=False, system_requirements={"glibc": "2.35"}).changed
    site.spec("python 3.12.*", "numpy <2")
    assert site.one(write=False).changed


def test_a_withdrawn_package_is_named_and_replaced(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    site.channel.remove("numpy", "2.0")
    outcome = site.one()
    assert [f.code for f in outcome.findings] == ["withdrawn"] and "numpy 2.0 py312_0" in outcome.findings[0].message
    assert site.versions()["numpy"] == "1.26"


def test_other_contents_under_the_same_name_are_noticed(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    site.channel.add("numpy", "2.0", "py312_0", ["python 3.12.*", "libblas"], sha256="e" * 64)
    outcome = site.one()
    assert [f.code for f in outcome.findings] == ["withdrawn"]
    assert any("other contents" in line for line in outcome.difference)


def test_cuda_is_capped_to_the_system_requirements(site):
    site.spec("python", "cuda-version 12.*")
    site.one(system_requirements={"cuda": "12.8"})
    assert site.versions()["cuda-version"] == "12.8"
    site.one(system_requirements={"cuda": "12.9"}, upgrade=True)
    assert site.versions()["cuda-version"] == "12.9"


def test_cuda_is_for_linux_only(site):
    site.spec("torch-like", "python 3.12.*")
    site.one(system_requirements={"cuda": "12.9"}, platforms=("linux-64", "osx-arm64"))
    builds = {p.platform: p.build for p in site.lock().packages if p.name == "torch-like"}
    assert builds == {"linux-64": "cuda129_0", "osx-arm64": "cpu_0"}


def test_a_gpu_environment_that_would_become_a_cpu_build_is_an_error(site):
    site.spec("torch-like")
    outcome = site.one(system_requirements={"cuda": "12.8"})
    assert [f.code for f in outcome.findings] == [
        "cpu-build"
    ] and "torch-like would be a CPU build" in outcome.findings[0].text()
    assert outcome.new_text is None


def test_what_keeps_the_cuda_build_away_is_named(site):
    site.spec("python", "torch-like 2.*", "cuda-version 12.6.*")
    (finding,) = site.one(system_requirements={"cuda": "12.9"}).findings
    assert finding.code == "cpu-build" and finding.line == 4
    assert "a CUDA build with `cuda-version` in place of `cuda-version 12.6.*`" in finding.remedy
    assert "`torch-like=*=cpu*`" in finding.remedy
    site.spec("torch-like 2.*")
    (finding,) = site.one(system_requirements={"cuda": "12.8"}).findings
    assert "a CUDA build with cuda 12.9 in place of 12.8 in the system requirements" in finding.remedy


def test_a_framework_whose_newest_version_has_no_cuda_build_yet(site):
    site.channel.add("pytorch", "2.0", "cuda129_0", ["cuda-version >=12.9,<13", "__cuda"], number=5)
    site.channel.add("pytorch", "2.0", "cpu_0").add("pytorch", "2.1", "cpu_0")
    site.channel.add("trainer", "1.0", "0", ["pytorch"])
    for wish, way in [
        ("pytorch", "with `pytorch=*=*cuda*` in place of `pytorch` (then pytorch 2.0)"),
        ("pytorch >=2", "with `pytorch >=2 *cuda*` in place of `pytorch >=2` (then pytorch 2.0)"),
        ("pytorch 2.1.*", "with `pytorch=*=*cuda*` in place of `pytorch 2.1.*` (then pytorch 2.0)"),
        ("trainer", "with `pytorch=*=*cuda*` added (then pytorch 2.0)"),
    ]:
        site.spec(wish)
        (finding,) = site.one(system_requirements={"cuda": "12.9"}).findings
        assert finding.code == "cpu-build" and "pytorch would be a CPU build (cpu_0)" in finding.message
        assert finding.remedy.count("a CUDA build") == 1 and f"a CUDA build {way}" in finding.remedy
    for wish in ("pytorch >=2 *cuda*", "pytorch=*=*cuda*"):
        site.spec(wish)
        assert site.codes(system_requirements={"cuda": "12.9"}) == [] and site.versions()["pytorch"] == "2.0"
    site.spec("pytorch=*=cpu*")
    assert site.codes(system_requirements={"cuda": "12.9"}) == [] and site.versions()["pytorch"] == "2.1"


def test_the_cpu_for_one_package_is_not_the_cpu_for_all(site):
    site.channel.add("pytorch", "2.0", "cuda129_0", ["cuda-version >=12.9,<13", "__cuda"], number=5)
    site.channel.add("pytorch", "2.0", "cpu_0").add("pytorch-cpu", "2.0", "0", ["pytorch * cpu*"])
    site.channel.add("torchvision", "1.0", "cpu_0", ["pytorch * cpu*"])
    site.channel.add("torchvision", "1.0", "cuda_0", ["pytorch * cuda*", "cuda-version"], number=5)
    site.channel.add("faiss-cpu", "1.0", "0")
    for beside in ("torch-like=*=cpu*", "faiss-cpu"):
        site.spec("pytorch", "torchvision", beside)
        found = site.one(system_requirements={"cuda": "12.6"}).findings
        assert [(f.code, f.line) for f in found] == [("cpu-build", 2), ("cpu-build", 3)]
    for wishes in (
        ("pytorch-cpu", "torchvision", "pytorch"),
        ("pytorch=*=cpu*", "torchvision"),
        ("pytorch", "torchvision=*=cpu*"),
    ):
        site.spec(*wishes)
        assert site.codes(system_requirements={"cuda": "12.6"}) == [], wishes


def test_a_cpu_build_that_is_meant_or_usual_is_none(site):
    site.spec("torch-like=*=cpu*")
    assert site.codes(system_requirements={"cuda": "12.8"}) == []
    site.spec("arrow-like")  # the channel gives the CPU build to everybody
    assert site.codes(system_requirements={"cuda": "12.8"}) == [] and site.lock().packages[0].build == "h1_1_cpu"
    site.spec("torch-like")
    assert site.codes(system_requirements={}) == []  # a fleet without GPUs


def test_glibc_and_microarchitecture_are_the_system_requirements(site):
    site.spec("new-glibc")
    assert site.codes(system_requirements={"glibc": "2.28"}) == ["unsolvable"]
    assert site.codes(system_requirements={"glibc": "2.35"}) == []
    site.spec("fast")
    assert site.codes() == ["unsolvable"]
    assert site.codes(system_requirements={"microarch": {"linux-64": "x86_64_v3"}}) == []


def explained(site, **changes) -> str:
    outcome = site.one(**changes)
    assert [f.code for f in outcome.findings] == ["unsolvable"]
    return outcome.findings[0].text()


def test_unsolvable_says_what_would_help(site):
    site.spec("python 3.13.*", "numpy")
    text = explained(site)
    assert "solvable with `python` in place of `python 3.13.*` (then python 3.12.1)" in text
    assert "solvable without `numpy`" in text and "__glibc=2.28" in text and "solver: " in text
    site.spec("torch-like ==2.0=cuda*")
    assert "solvable with cuda 12.9 in place of 12.8 in the system requirements (then cuda-version 12.9)" in explained(
        site, system_requirements={"cuda": "12.8"}
    )
    site.spec("new-glibc")
    assert "solvable with glibc 2.35 in place of 2.28 in the system requirements" in explained(site)
    site.spec("numpy ==2.0")
    text = explained(site, exclude_newer="2024-01-20")
    assert "solvable without lockstep_exclude_newer" in text
    assert (
        "(lockstep_system_requirements), no package newer than 2024-01-20T00:00:00Z (lockstep_exclude_newer); found"
        in text
    )


def test_unsolvable_for_several_reasons(site):
    site.spec("numpy ==9", "six ==9", "python")
    text = explained(site)
    assert "not available even alone: `numpy ==9`, `six ==9`" in text and "train.yml:2:5: " in text
    assert "name one build" not in text


def test_unsolvable_by_entries_that_contradict_others_in_pairs(site):
    for name in ("a", "b"):
        for version in ("1", "2"):
            site.channel.add(f"base-{name}", version)
            site.channel.add(f"upon-{name}", version, depends=[f"base-{name} {version}"])
    site.spec("six", "base-a 1", "upon-a 2", "base-b 2", "upon-b 1")
    text = explained(site)
    assert "no single change makes it solvable; it is with any version of `upon-a 2`, `upon-b 1` together" in text
    assert "train.yml:4:5: " in text
    site.channel.add("never-a", depends=["base-a >3"]).add("never-b", depends=["base-b >3"])
    site.channel.add("base-a", "4", depends=["six 1"]).add("base-b", "4", depends=["six 1"])
    site.spec("six", "never-a", "never-b")
    assert "not available even alone: `never-a`, `never-b`" in explained(site)


def test_unsolvable_by_packages_that_never_go_together(site):
    for name, other in (("a", "b"), ("c", "d")):
        site.channel.add(name, depends=["x-" + name + " 1"]).add(other, depends=["x-" + name + " 2"])
        site.channel.add("x-" + name, "1").add("x-" + name, "2")
    site.spec("a", "b", "c", "d")
    assert "no single change makes it solvable; it is without `b`, `d` together" in explained(site)


def test_platforms_with_the_same_reasons_are_told_once(site):
    site.spec("python", "six ==9")
    text = explained(site, platforms=("osx-arm64", "linux-64"))
    assert "no solution for linux-64, osx-arm64; found by trying" in text, "they have no virtual package in common"
    text = explained(site, platforms=("linux-64",))
    assert (
        "no solution for linux-64, assuming __linux=4.18, __glibc=2.28, __archspec=1=x86_64 "
        "(lockstep_system_requirements)" in text
    )


def test_the_builds_of_an_export_from_elsewhere(site):
    site.spec("python=3.12.1=h5eee18b_0", "numpy=2.0=py312hf6e8229_1", "six")
    text = explained(site)
    assert "even alone: `python=3.12.1=h5eee18b_0`, `numpy" in text and "2 of those name one build" in text


def test_channels_in_explanations_go_by_their_names(site):
    SmallChannel(site.channel.folder, "ml").add("own", "1.0")
    site.spec("conda-forge::numpy ==9", "python")
    text = explained(site, channels=("ml", "conda-forge"))
    assert "solvable with `numpy` in place of `conda-forge::numpy ==9`" in text and "file://" not in text


def test_explaining_takes_no_longer_than_people_wait(site, monkeypatch):
    monkeypatch.setattr(explain_unsat, "_PATIENCE", 0.0)
    site.spec("numpy ==9", "python")
    assert "were not tried: time limit reached" in explained(site)


def test_a_channel_that_fails_while_explaining(site, monkeypatch):
    async def gone(*_):
        raise ChannelUnreadable("gone away")

    monkeypatch.setattr(explain_unsat, "_attempts", gone)
    site.spec("numpy ==9", "python")
    assert "no hints: gone away" in explained(site)


def test_a_name_that_does_not_exist(site):
    site.spec("numpi", "python")
    (finding,) = site.one().findings
    assert finding.code == "unknown-package" and (finding.line, finding.column) == (2, 5)
    assert "numpi does not exist in conda-forge for linux-64; did you mean numpy?" in finding.text()
    site.spec("python", "six", "zzz")
    (finding,) = site.one(platforms=("linux-64", "osx-arm64")).findings
    assert "zzz does not exist in conda-forge for linux-64, osx-arm64; search the channel" in finding.text()
    assert finding.line == 4


def test_a_name_of_pip(site):
    site.channel.add("py-xgboost").add("typing_extensions")
    site.spec("xgboost", "typing-extensions")
    xgboost, typing = site.one().findings
    assert xgboost.remedy == "its name there is py-xgboost" and typing.remedy == "its name there is typing_extensions"


def test_a_name_that_exists_for_other_platforms(site):
    site.spec("python", "new-glibc")
    (finding,) = site.one(platforms=("linux-64", "osx-arm64")).findings
    assert "new-glibc does not exist in conda-forge for osx-arm64, only for linux-64; " in finding.text()
    assert finding.remedy.endswith("`platforms: [linux-64]`") and finding.line == 3
    site.spec("python", "new-glibc", more="platforms: [linux-64]\n")
    assert site.codes(platforms=("linux-64", "osx-arm64"), system_requirements={"glibc": "2.35"}) == []


def test_what_is_unsolvable_on_one_platform_only(site):
    site.channel.add("numpy", "3.0", "py312_0", ["python 3.12.*"])
    site.spec("python", "numpy 3.*")
    text = explained(site, platforms=("linux-64", "osx-arm64"))
    assert "no solution for osx-arm64" in text and "train.yml:3:5: " in text
    assert text.endswith("solvable for linux-64 only: `platforms: [linux-64]`")


def test_exclude_newer(site):
    site.spec("numpy")
    site.one(exclude_newer="2024-02-01")
    assert site.versions()["numpy"] == "1.26" and site.lock().value("exclude_newer") == "2024-02-01T00:00:00Z"
    site.one(
        exclude_newer="2024-02-20T02:00:00+02:00", upgrade=True
    )  # day 50 begins at 00:00 UTC, and that is included
    assert site.versions()["numpy"] == "2.0"
    site.one(exclude_newer="2024-02-20T01:59:59+02:00", upgrade=True)
    assert site.versions()["numpy"] == "1.26"


def test_strict_priority(site):
    own = SmallChannel(site.channel.folder, "ml")
    own.add("numpy", "1.0", "own_0")
    site.spec("numpy", "python")
    site.one(channels=("ml", "conda-forge"))
    assert site.versions()["numpy"] == "1.0" and site.lock().channels == ("ml", "conda-forge")
    urls = {p.name: p.url for p in site.lock().packages}
    assert urls["numpy"] == "https://conda.anaconda.org/ml/linux-64/numpy-1.0-own_0.conda"
    site.spec("conda-forge::numpy", "python")
    assert site.codes(channels=("conda-forge", "ml")) == [] and site.versions()["numpy"] == "2.0"


def test_strict_priority_holds_for_pins_too(site):
    SmallChannel(site.channel.folder, "ml").add("numpy", "1.0", "own_0")
    site.spec("numpy 2.*", "python")
    assert "unsolvable" in site.codes(channels=("ml", "conda-forge")), "the first channel with the name is the only one"
    site.spec("numpy 1.0", "python")
    site.one(channels=("ml", "conda-forge"))
    assert site.versions()["numpy"] == "1.0"


def test_what_is_locked_does_not_outlive_the_rules(site):
    SmallChannel(site.channel.folder, "ml").add("numpy", "1.0", "own_0")
    site.spec("python", "numpy")
    site.one(channels=("ml", "conda-forge"))
    site.one(channels=("conda-forge", "ml"))
    assert site.versions()["numpy"] == "2.0", "the first channel with the name is the only one"
    site.one(channels=("conda-forge", "ml"), exclude_newer="2024-02-01")
    assert site.versions()["numpy"] == "1.26", "what is newer than allowed does not stay"


def test_platforms_of_a_spec(site):
    site.spec("python", more="platforms: [osx-arm64]\n")
    (finding,) = site.one(platforms=("linux-64",)).findings
    assert (finding.code, finding.line, finding.column) == ("no-platform", 3, 12)
    site.one(platforms=("linux-64", "osx-arm64"))
    assert site.lock().platforms == ("osx-arm64",)
    assert site.codes(platforms=("linux-64",)) == ["no-platform"]


def test_both_locks_or_none(site):
    site.spec("python", name="good")
    site.spec("nothing-like-this", name="bad")
    outcomes = {outcome.name: outcome for outcome in site.run()}
    assert outcomes["good"].changed and not outcomes["good"].findings and outcomes["bad"].findings
    assert not site.settings.locks_dir.exists()


@pytest.mark.parametrize(("encoding", "words"), [("utf-16", "as PowerShell's `>` writes"), ("latin-1", "byte 13")])
def test_a_spec_in_another_encoding(site, encoding, words):
    (site.settings.envs_dir / "train.yml").write_bytes(
        "# pour les b\u00eates\ndependencies: [python]\n".encode(encoding)
    )
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and words in finding.message and finding.remedy == "save it as UTF-8"


def test_all_findings_of_all_specs_at_once(site):
    site.spec("numpy=1.26", "defaults::six", name="a")
    site.spec("torch", name="b")
    assert site.codes() == ["fuzzy-pin", "channel-not-allowed", "wrong-name"]


def test_a_fuzzy_pin_without_a_current_lock_is_an_error_unless_that_lock_is_being_made(site):
    def severity(**changes):
        (finding,) = site.one(**changes).findings
        assert finding.code == "fuzzy-pin" and finding.line == 3
        return finding.severity

    site.spec("python 3.12.*", "numpy=1")
    assert severity(write=False) == "error" and not site.settings.locks_dir.exists()
    assert severity(write=True) == "warning" and site.versions()["numpy"] == "1.26"
    assert severity(write=False) == "warning", "the lock says what it came to"
    site.spec("python 3.12.*", "numpy=2")
    assert severity(write=False) == "error", "the lock is another spec's"


def test_a_fuzzy_pin_where_other_errors_hide_whether_the_lock_is_current(site):
    site.spec("python 3.12.*", "numpy=1")
    site.one()
    site.spec("python 3.12.*", "numpy=1", "defaults::six")
    assert [(f.code, f.severity) for f in site.one(write=False).findings] == [
        ("fuzzy-pin", "warning"),
        ("channel-not-allowed", "error"),
    ]


@pytest.mark.parametrize("missing", ["sha256", "md5"])
def test_a_channel_without_hashes(site, missing):
    site.channel.add("bare", "1", "0", **{missing: None})
    site.spec("bare")
    (finding,) = site.one().findings
    assert finding.code == "channel" and "lacks its md5 or sha256" in finding.message


def test_a_channel_that_is_not_there(site, tmp_path):
    site.spec("python")
    (finding,) = site.one(repodata_alias=str(tmp_path / "nowhere")).findings
    assert finding.code == "channel" and "lockstep_repodata_alias" in finding.remedy
    (finding,) = site.one(repodata_alias="http://127.0.0.1:9").findings
    assert finding.code == "channel" and "Connection refused" in finding.message
    (finding,) = site.one(repodata_alias="http://me:hunter2@127.0.0.1:9").findings
    assert "hunter2" not in finding.text()


class Asking(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to those who know the password."""

    def do_GET(self):
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:hunter2").decode():
            self.send_error(401)
        else:
            super().do_GET()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_a_mirror_with_a_password(site):
    serve = functools.partial(Asking, directory=str(site.channel.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site.spec("python 3.12.*", "conda-forge::numpy")
        address = f"127.0.0.1:{server.server_port}"
        assert site.codes(repodata_alias=f"http://{address}") == ["channel"]
        assert site.codes(repodata_alias=f"http://me:hunter2@{address}/") == []
        server.shutdown()
    assert site.versions()["numpy"] == "2.0" and "hunter2" not in site.text() and "127.0.0.1" not in site.text()


def test_a_killed_run_leaves_a_whole_lock(site):
    """A child makes two locks in turn, as fast as it can, and is killed at any moment."""
    script = (
        "import sys, dataclasses; sys.path.insert(0, 'collections')\n"
        "from pathlib import Path\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.writing import complete\n"
        "folder = Path(sys.argv[1]); spec = folder / 'envs' / 'train.yml'\n"
        "s = Settings(folder / 'envs', folder / 'envs' / 'locks', 'dev', upgrade=True,\n"
        "                     repodata_alias=str(folder / 'channels'), cache=folder / 'cache')\n"
        "for turn in range(100000):\n"
        "    spec.write_text('dependencies: [python 3.12.*, numpy %s]' % ('<2' if turn % 2 else ''))\n"
        "    complete(s, write=True)\n"
        "    run(s, write=True)\n"
        "    print(turn, flush=True)\n"
    )
    folder, seen = site.settings.envs_dir.parent, set()
    for turn in range(5):
        child = subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert child.stdout.readline(), "it ended by itself"
        time.sleep(0.021 * turn)
        child.kill()
        child.wait()
        child.stdout.close()
        seen.add(site.versions()["numpy"])
    assert seen <= {"1.26", "2.0"}


def test_a_damaged_lock_is_made_anew_with_a_warning(site):
    site.spec("python")
    site.one()
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    good = path.read_text()
    path.write_text(good.replace("3.13.1", "3.13.2"))
    assert site.codes() == ["old-lock"] and path.read_text() == good


def test_a_failing_write_leaves_the_old_lock_and_no_other_file(site, monkeypatch):
    site.spec("python")
    site.one()
    old = site.text()
    site.spec("python", "six")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        site.one()
    assert site.text() == old and [p.name for p in (site.settings.locks_dir / "dev").iterdir()] == [
        "train.conda-lock.yml"
    ]


def test_what_a_killed_run_left_is_swept(tmp_path):
    leftovers = [tmp_path / ".train.txt.abc.new", tmp_path / ".train.txt.def.new"]
    for leftover in leftovers:
        leftover.touch()
    os.utime(leftovers[0], (time.time() - 7200,) * 2)
    atomic_write.write(tmp_path / "train.txt", "x")
    assert [leftover.exists() for leftover in leftovers] == [False, True]


class Killed(BaseException):
    """Ends a run as a signal would: nothing below catches it."""


def test_a_run_that_is_killed_anywhere_is_completed(site, monkeypatch):
    """Two locks move by `update`: nobody could tell later which of them was meant to, for both satisfy their specs."""
    site.spec("python 3.12.*", "numpy <2")
    site.spec("python 3.12.*", "numpy <2", "six", name="serve")
    site.run()
    site.spec("python 3.12.*", "numpy")
    site.spec("python 3.12.*", "numpy", "six", name="serve")
    before = {name: site.text(name) for name in ("train", "serve")}
    replace_, states, left = Path.replace, [], ""
    for moment in range(1, 20):
        for name, text in before.items():
            (site.settings.locks_dir / "dev" / f"{name}.conda-lock.yml").write_text(text)
        count = 0

        def killed(path, target, moment=moment):
            nonlocal count
            count += 1
            if count == moment:
                raise Killed
            return replace_(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed)
            try:
                site.run(update=("numpy",))
                break
            except Killed:
                pass
        versions = [site.versions(name=name)["numpy"] for name in ("serve", "train")]
        begun = (site.settings.locks_dir / transaction.JOURNAL).exists()
        said = complete(site.settings, write=False)
        assert bool(said) == begun, "a check says so, and"
        assert [site.versions(name=name)["numpy"] for name in ("serve", "train")] == versions, "changes nothing"
        left = complete(site.settings, write=True)
        states.append((begun, versions, [site.versions(name=name)["numpy"] for name in ("serve", "train")]))
        assert not any(outcome.changed for outcome in site.run()), "and nothing is left to do"
    old, new = ["1.26", "1.26"], ["2.0", "2.0"]
    assert states == [(False, old, old), (True, old, new), (True, ["2.0", "1.26"], new)]
    assert left == "locks of serve, train for dev"


def test_what_no_host_would_take_is_not_locked(site):
    site.channel.add("odd", build="0;x")
    site.spec("odd")
    (finding,) = site.one().findings
    assert finding.code == "unusable-lock" and "odd for linux-64: build '0;x' is not acceptable" in finding.message
    assert not site.settings.locks_dir.exists()


def test_two_runs_at_once(site):
    site.spec("python")
    site.settings.locks_dir.mkdir()
    with (
        transaction.exclusive_lock(site.settings.locks_dir),
        pytest.raises(transaction.TransactionError, match="another run of lock, promote or rollback is active"),
    ):
        site.one()
    assert list(site.settings.locks_dir.iterdir()) == []


def test_a_lock_that_changed_meanwhile_is_not_written_over(site, monkeypatch):
    site.spec("python")
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    exclusive_lock = transaction.exclusive_lock

    def late(folder):
        path.parent.mkdir(parents=True)
        path.write_text("somebody else's")
        return alone(folder)

    monkeypatch.setattr(transaction, "exclusive_lock", late)
    with pytest.raises(transaction.TransactionError, match="was changed while this ran; nothing was written"):
        site.one()
    assert path.read_text() == "somebody else's"


def test_a_lock_with_line_ends_of_windows_is_no_other_one(site):
    site.spec("python")
    site.one()
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not site.one(write=False).changed
    site.spec("python", "six")
    site.one()
    assert b"\r" not in path.read_bytes() and "six" in site.versions()


def test_a_lock_that_is_no_text_is_made_anew(site):
    site.spec("python")
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe")
    assert site.codes() == ["old-lock"] and site.versions()["python"] == "3.13.1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system_requirements": {"cuda": 12.8}}, "put it in quotes"),
        ({"system_requirements": {"gpu": "1"}}, "unknown key gpu"),
        ({"system_requirements": [1]}, "not a mapping"),
        ({"system_requirements": {"glibc": "new"}}, "not a version"),
        ({"system_requirements": {"microarch": {"x": "y"}}}, "not valid"),
        ({"exclude_newer": "soon"}, "is not a date"),
        ({"channels": ("defaults",)}, "defaults"),
        ({"envs": ("other",)}, "no spec for other"),
        ({"envs": ("trian",)}, r"no spec for trian in .*; did you mean train\?; existing specs: train"),
        ({"envs": ("old",)}, "rename old.yaml to old.yml; existing specs: train"),
        ({"envs": ("train", "")}, "it is empty, or has a comma too many"),
        ({"channels": ()}, "at least one"),
        ({"tier": "../prod"}, "'../prod' is not a valid tier name"),
        ({"channels": ("conda-forge", "https://conda.anaconda.org/conda-forge/")}, "conda-forge is listed twice"),
        ({"platforms": ("win-64",)}, "win-64"),
        ({"update": ("nump",)}, "nump"),
    ],
)
def test_wrong_settings_are_explained(site, changes, message):
    site.spec("python")
    (site.settings.envs_dir / "old.yaml").touch()
    with pytest.raises(SettingsError, match=message):
        site.run(**changes)


def test_lines_for_people(site):
    site.spec("python 3.12.*", "torch-like")
    outcome = site.one(system_requirements={"cuda": "12.9"})
    assert lines(outcome) == ["train        linux-64          3 packages     3 kB  CUDA 12.9, python 3.12.1  (changed)"]
    assert lines(outcome, written=False)[0].endswith("(would change)")
    outcome = site.one(system_requirements={"cuda": "12.9"}, write=False)
    assert lines(outcome, written=False)[0].endswith("(unchanged)")


def test_only_keys_of_the_format(site):
    site.spec("python")
    site.one()
    document = yaml.safe_load(site.text())
    assert set(document["metadata"]["custom_metadata"]) == {"created_by", "download_bytes", "system_requirements"}
