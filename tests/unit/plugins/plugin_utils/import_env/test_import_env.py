"""Taking over what is there: prefixes built by the rattler runtime and written by hand, exports and recipes of many
styles.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, plan
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import atomic_write
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.findings import errors
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env import read_prefix
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import ImportFailed, Outcome, Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import read, run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run as make_locks
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings as Site
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.package_index import Index
from tests.support.paths import CHECKOUT
from tests.support.small_channel import usual
from tests.support.tiny_channel import make_channel, make_store

SITE = "lib/python3.12/site-packages"


class Place:
    """A site in a folder: its channel, its specs and locks, and what people have lying about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channel = usual(folder / "channels")
        for subdir in ("linux-64", "osx-arm64"):
            self.channel.add("pytorch", "2.5.1", "cpu_generic_0", ["python"], subdir=subdir)
            self.channel.add("pytorch-cpu", "2.5.1", "cpu_generic_0", ["pytorch 2.5.1 cpu*"], subdir=subdir)
            self.channel.add("numpy", "1.26", "py313_0", ["python 3.13.*", "libblas"], subdir=subdir)
            self.channel.add("openssl", "3.4.1", "h7b32b05_0", subdir=subdir)
            self.channel.add("libffi", "3.4.2", "h7f98852_5", subdir=subdir)
            self.channel.add("readline", "8.2", "h8228510_1", subdir=subdir)
        self.channel.add("pytorch", "2.5.1", "cuda126_0", ["python", "cuda-version >=12.6,<13", "__cuda"], number=200)
        self.channel.add("pytorch-gpu", "2.5.1", "cuda126_0", ["pytorch 2.5.1 cuda*"])
        self.channel.add("nccl", "2.20", "0")
        self.channel.add("libgcc", "14.2", "0")
        self.channel.add("pip", "24.0", "pyhd_0", ["python"], subdir="noarch")
        self.channel.add("scikit-learn", "1.6", "py312_0", ["python 3.12.*", "numpy"], subdir="noarch")
        self.channel.add("requests", "2.32.3", "pyhd_0", ["python"], subdir="noarch")
        (folder / "envs").mkdir()

    def settings(self, source, name="", force=False, python="", **other) -> Settings:
        values = {
            "envs_dir": self.folder / "envs", "locks_dir": self.folder / "envs/locks", "tier": "dev",
            "repodata_alias": str(self.folder / "channels"), "cache": self.folder / "cache",
        } | other  # fmt: skip
        return Settings(Path(source), name, Site(**values), force, python)

    def take(self, text, name="train", file="environment.yml", write=True, **other) -> Outcome:
        source = self.folder / file
        source.write_text(text)
        return run(self.settings(source, name, **other), write)

    def prefix(self, *packages, history="", name="old", **records) -> Path:
        """Write conda-meta of channel packages given as "name version [build]"."""
        prefix = self.folder / name
        meta = prefix / "conda-meta"
        meta.mkdir(parents=True)
        for text in packages:
            found = [
                dict(r, url=f"https://conda.anaconda.org/conda-forge/{subdir}/{file}", files=[])
                for (subdir, file), r in self.channel.records.items()
                if f"{r['name']} {r['version']} {r['build']}".startswith(text) and subdir != "osx-arm64"
            ]
            record = found[-1] | records.get(found[-1]["name"].replace("-", "_"), {})
            (meta / "{name}-{version}-{build}.json".format(**record)).write_text(json.dumps(record))
        (meta / "history").write_text(history)
        return prefix


@pytest.fixture
def site(tmp_path):
    return Place(tmp_path)


def dependencies(made) -> list[str]:
    """What the spec asks for; a spec that was made must be without errors."""
    read, findings = environment_spec.read(made.spec, "x", made.name, ["conda-forge"])
    assert not errors(findings), findings
    return [dependency.match.text for dependency in read.dependencies]


def noted(made, *parts) -> bool:
    return any(all(part in note.line() for part in parts) for note in made.notes)


def versions(made, platform="linux-64") -> dict[str, str]:
    return {p.name: p.version for p in Lock.loads(made.lock).of(platform)}


# prefixes


def test_a_generation_of_the_rattler_is_taken_over_exactly(tmp_path):
    """Built by py-rattler from a lock, read from its files, locked again: the same digest."""
    from rattler.index import index_fs

    channel = make_channel(tmp_path / "channels" / "forge")
    asyncio.run(index_fs(channel.base, write_shards=False, force=True))
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/train.yml").write_text("dependencies: [alpha ==1.0, beta]\nvariables: {WHAT: it's}\n")
    site = Site(
        tmp_path / "envs", tmp_path / "envs/locks", "dev", channels=("forge",), cache=tmp_path / "cache",
        repodata_alias=str(tmp_path / "channels"),
    )  # fmt: skip
    (first,) = make_locks(site, write=True)
    assert not errors(first.findings)
    made = plan(Lock.loads(first.new_text), "train", "linux-64", channel_alias=(tmp_path / "channels").as_uri())
    store = make_store(tmp_path / "root")
    built = generation.build(store, made, generation.Options(pip_check=False))
    prefix = Path(store.path("train", built["name"]))

    outcome = run(Settings(prefix, "again", site), write=True)
    assert (
        outcome.exact
        and f"exactly the 3 conda packages of the environment, digest {built['name']}" in outcome.summary[-1]
    )
    again = Lock.loads((tmp_path / "envs/locks/dev/again.conda-lock.yml").read_text())
    assert plan(again, "again", "linux-64")["digest"] == made["digest"]
    text = (tmp_path / "envs/again.yml").read_text()
    assert "  - alpha\n" in text and "  - beta\n" in text and 'WHAT: "it\'s"' in text
    # and the ordinary locking finds nothing to do
    outcomes = make_locks(site, write=False)
    assert [(outcome.name, outcome.changed) for outcome in outcomes] == [("again", False), ("train", False)]


HISTORY = """==> 2024-05-01 10:00:00 <==
# cmd: /opt/conda/bin/conda create -n old python=3.12 numpy=1.26 six torch-like
# conda version: 24.4.0
+conda-forge/linux-64::python-3.12.1-h1_0_cpython
# update specs: ['python=3.12', 'numpy=1.26', 'six', 'torch-like']
==> 2024-05-02 10:00:00 <==
# remove specs: ['torch-like']
"""


def test_the_spec_has_what_people_asked_for_and_the_lock_what_was_there(site):
    prefix = site.prefix(
        "python 3.12", "numpy 1.26 py312", "libblas", "six", "pip", history=HISTORY,
    )  # fmt: skip
    made = run(site.settings(prefix), write=True)
    assert made.name == "old" and made.exact
    assert dependencies(made) == ["python 3.12.*", "numpy 1.26.*", "pip", "six"]
    assert noted(made, "conda-meta/history", "`numpy=1.26` -> `numpy 1.26.*`")
    assert noted(made, "pip: not requested by name, but part of the environment")
    assert versions(made) == {"python": "3.12.1", "numpy": "1.26", "libblas": "3.9", "six": "1.17", "pip": "24.0"}
    assert (site.folder / "envs/old.yml").read_text() == made.spec
    assert (site.folder / "envs/locks/dev/old.conda-lock.yml").read_text() == made.lock


def test_without_a_history_the_spec_has_what_nothing_else_needs(site):
    made = run(site.settings(site.prefix("python 3.12", "numpy 1.26 py312", "libblas", "six")), write=False)
    assert made.exact and dependencies(made) == ["python 3.12.*", "numpy", "six"]
    assert noted(made, "it is unknown what people requested")
    assert not list((site.folder / "envs").glob("*.yml")), "write=False"


def test_packages_that_need_each_other_are_not_lost(site):
    site.channel.add("ring-a", "1.0", "0", ["ring-b"]).add("ring-b", "1.0", "0", ["ring-a"])
    made = run(site.settings(site.prefix("python 3.12", "ring-a", "ring-b")), write=False)
    assert made.exact and dependencies(made) == ["python 3.12.*", "ring-a"]


def test_of_two_files_with_one_name_the_same_one_is_taken(site):
    site.channel.add("six", "1.17", "pyhd_0", ["python"], subdir="linux-64")
    both = [site.channel.records[subdir, "six-1.17-pyhd_0.conda"] for subdir in ("noarch", "linux-64")]
    both[1]["md5"] = "5" * 32
    site.channel.write()
    for record in both:
        for known in ("sha256", "md5"):
            hashes = {"sha256": "", "md5": "", "subdir": record["subdir"]} | {known: record[known]}
            prefix = site.prefix("python 3.12", "six", name=f"{record['subdir']}-{known}", six=hashes)
            made = run(site.settings(prefix), write=False)
            assert made.exact, (prefix.name, made.notes)


def test_made_from_an_explicit_list_nobody_asked_for_anything(site):
    specs = ["conda-forge/linux-64::python==3.12.1=h1_0_cpython", "conda-forge/noarch::six==1.17=pyhd_0"]
    history = f"# update specs: {specs}\n"
    made = run(site.settings(site.prefix("python 3.12", "six", history=history)), write=False)
    assert dependencies(made) == ["python 3.12.*", "six"] and made.exact


def test_packages_that_the_channel_no_longer_has_are_named(site):
    gone = {"sha256": "0" * 64, "md5": "0" * 32, "version": "1.25"}
    prefix = site.prefix("python 3.12", "numpy 1.26 py312", "libblas", "six", numpy=gone)
    made = run(site.settings(prefix), write=False)
    assert not made.exact and versions(made)["six"] == "1.17"
    assert noted(made, "numpy 1.25 -> 2.0", "the channel does not have the old version")
    assert noted(made, "3 of 4 packages are the same files")


def test_a_file_with_other_contents_is_not_the_same(site):
    prefix = site.prefix("python 3.12", "six", six={"sha256": "1" * 64, "md5": "1" * 32})
    made = run(site.settings(prefix), write=False)
    assert not made.exact and noted(made, "the same version in another build", "six")


def test_packages_of_other_channels_are_solved_anew_at_the_same_version(site):
    other = {"url": "https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.26-py312h1_0.conda", "build": "py312h1_0",
             "sha256": "2" * 64, "md5": "2" * 32}  # fmt: skip
    prefix = site.prefix("python 3.12", "numpy 1.26 py312", "libblas", numpy=other)
    made = run(site.settings(prefix), write=False)
    assert versions(made)["numpy"] == "1.26", "2.0 is there, and stays away"
    assert noted(made, "1 packages came from https://repo.anaconda.com/pkgs/main: solved again")
    assert noted(made, "another build", "numpy")


def dist_info(prefix: Path, name: str, version: str, **files: str) -> None:
    folder = prefix / SITE / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    requires = "".join(f"Requires-Dist: {line}\n" for line in files.pop("requires", "").split(","))
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\nName: no\n")
    for file, text in files.items():
        (folder / {"requested": "REQUESTED", "direct": "direct_url.json"}[file]).write_text(text)


def test_what_pip_put_over_it(site, monkeypatch):
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve import pip_solver

    clean = pip_solver._clean
    monkeypatch.setattr(pip_solver, "_clean", lambda url: clean(url).replace("file:///", "https://index.example/"))
    index = Index(site.folder / "simple")
    index.add("only-pip", "1.0", "helper")
    index.add("helper", "1.0")
    index.add("helper", "2.0")
    prefix = site.prefix(
        "python 3.12", "numpy 1.26 py312", "libblas", "six",
        six={"files": [f"{SITE}/six-1.17.dist-info/METADATA"]},
    )  # fmt: skip
    dist_info(prefix, "six", "1.17")  # conda's own
    dist_info(prefix, "numpy", "2.2", requested="")  # over conda's
    dist_info(prefix, "only-pip", "1.0", requested="", requires="helper (>=1),requests>=2; extra == 'x'")
    dist_info(prefix, "helper", "1.0")  # brought by it
    dist_info(prefix, "not-published", "3.0", requested="")
    dist_info(prefix, "requests", "2.32.3")  # brought by something
    dist_info(prefix, "scikit-learn", "1.6", requested="")
    dist_info(
        prefix, "mine", "0.1", requested="", direct='{"url": "file:///home/me/mine", "dir_info": {"editable": true}}'
    )
    dist_info(prefix, "forked", "0.1", requested="",
              direct='{"url": "https://me:secret@git.example/forked", "vcs_info": {"vcs": "git"}}')  # fmt: skip
    made = run(site.settings(prefix, pip_index=index.url), write=False)
    read, _ = environment_spec.read(made.spec, "x", "old", ["conda-forge"])
    assert [requirement.text for requirement in read.pip] == ["only-pip==1.0"]
    assert "scikit-learn" in dependencies(made) and versions(made)["only-pip"] == "1.0"
    assert versions(made)["helper"] == "1.0", "2.0 is there, and stays away"
    assert "unknown.invalid" not in made.lock and noted(
        made, "left out", "helper==1.0", "another package depends on it"
    )
    assert noted(made, "decide", "overwritten conda's numpy with numpy==2.2")
    assert noted(made, "decide", "not-published==3.0", "no wheel")
    assert noted(made, "left out", "requests==2.32.3", "another package depends on it")
    assert noted(made, "decide", "mine 0.1 came from an editable folder")
    assert noted(made, "decide", "forked 0.1 came from a git repository")
    assert "secret" not in "".join(note.line() for note in made.notes) and not any("six" in n.text for n in made.notes)


def test_variables_of_an_environment(site):
    prefix = site.prefix("python 3.12")
    values = {"GOOD": "1", "HF_TOKEN": "abc", "lower": "1", "WHERE": f"{prefix}/share", "DATA": "/home/me/data"}
    (prefix / "conda-meta/state").write_text(json.dumps({"env_vars": values}))
    made = run(site.settings(prefix), write=False)
    assert Lock.loads(made.lock).variables == {"GOOD": "1"}
    assert noted(made, "decide", "HF_TOKEN") and noted(made, "decide", "WHERE") and noted(made, "decide", "DATA")
    assert "abc" not in made.spec + made.lock + "".join(note.line() for note in made.notes)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 1}', '{"name": "a", "version": "1"}', "[" * 100_000])
def test_damaged_records(site, text):
    prefix = site.prefix("python 3.12")
    (prefix / "conda-meta/broken-1-0.json").write_text(text)
    with pytest.raises(ImportFailed, match=r"broken-1-0[.]json: not a conda record"):
        run(site.settings(prefix), write=False)


def test_folders_that_are_no_environments(site):
    (site.folder / "empty/conda-meta").mkdir(parents=True)
    for source, message in (("envs", "without conda-meta"), ("empty", "no records"), ("nothing", "No such file")):
        with pytest.raises(ImportFailed, match=message):
            run(site.settings(site.folder / source), write=False)


@pytest.mark.parametrize(
    ("line", "specs"),
    [
        ("# update specs: ['a=1', 'conda-forge::b >=2']", {"a": "a=1", "b": "conda-forge::b >=2"}),
        ('# update specs: ["a", "b[build=x]"]', {"a": "a", "b": "b[build=x]"}),
        ("# install specs: a,b=1", {"a": "a", "b": "b=1"}),
        ("# update specs: ['a']\n# update specs: ['a=2']\n# remove specs: ['b']", {"a": "a=2"}),
        ("# update specs: [__import__('os').system('false')]\n# update specs: [", {}),
        ("# neutered specs: ['a']", {"a": "a"}),
    ],
)
def test_history_of_all_times(tmp_path, line, specs):
    (tmp_path / "history").write_text(line + "\n")
    assert read_prefix._history(tmp_path / "history") == specs


# descriptions


def test_an_article_s_recipe(site):
    made = site.take(
        """\
name: base
channels:
  - pytorch
  - nvidia
  - defaults
dependencies:
  - python=3.12
  - pytorch=2.5.1=py3.12_cuda12.1_cudnn9_0
  - pytorch-cuda=12.1
  - numpy=1.26
  - sklearn
  - six=1.16.0
  - _libgcc_mutex=0.1=main
  - no-such-thing
  - pip
  - pip:
      - requests==2.32.3
      - tqdm @ https://files.example/tqdm.whl
      - -e .
prefix: /home/joe/miniconda3
variables:
  OMP_NUM_THREADS: 4
""",
        system_requirements={"cuda": "12.9"},
    )
    assert dependencies(made) == [
        "python 3.12.*", "cuda-version 12.*", "numpy 1.26.*", "pip", "pytorch-gpu ==2.5.1", "requests ==2.32.3",
        "scikit-learn", "six 1.*",
    ]  # fmt: skip
    for place, *parts in (
        (1, "left out", "'base'"),
        (3, "left out", "channel pytorch"),
        (5, "left out", "channel defaults", "solved again"),
        (7, "changed", "`python=3.12` -> `python 3.12.*`", "the same"),
        (8, "changed", "pytorch-gpu ==2.5.1", "a CUDA build"),
        (9, "changed", "`pytorch-cuda=12.1` -> `cuda-version 12.*`"),
        (11, "changed", "`sklearn` -> `scikit-learn`"),
        (12, "changed", "`six=1.16.0` -> `six 1.*`", "does not have"),
        (13, "left out", "_libgcc_mutex"),
        (14, "decide", "no-such-thing is not in conda-forge"),
        (15, "kept", "`pip`"),
        (17, "changed", "from the channel, not from pip"),
        (18, "decide", "is a url"),
        (19, "decide", "is editable"),
        (20, "left out", "prefix"),
    ):
        assert noted(made, f"environment.yml:{place}: ", *parts), (place, parts)
    assert 'OMP_NUM_THREADS: "4"' in made.spec and versions(made)["pytorch"] == "2.5.1"
    assert (site.folder / "envs/train.yml").read_text() == made.spec


def test_a_cpu_recipe_stays_for_the_cpu(site):
    made = site.take("dependencies: [python=3.12, pytorch=2.5.1, cpuonly]\n", system_requirements={"cuda": "12.9"})
    assert dependencies(made) == ["python 3.12.*", "pytorch-cpu 2.5.1.*"]
    assert noted(made, "`cpuonly` -> `pytorch-cpu 2.5.1.*`")
    assert any("cpu" in p.build for p in Lock.loads(made.lock).packages if p.name == "pytorch")


FULL = """\
name: data
channels: [conda-forge]
dependencies:
  - libblas=3.9=1_openblas
  - libffi=3.4.2=h7f98852_5
  - libgcc-ng=11.2.0=h1d223b6_16
  - _openmp_mutex=5.1=1_gnu
  - numpy=1.26=py312_0
  - openssl=3.4.1=h7b32b05_0
  - python=3.12.1=h1_0_cpython
  - readline=8.2=h8228510_1
  - six=1.17=pyhd_0
"""


def test_a_full_export_becomes_what_nothing_else_needs(site):
    made = site.take(FULL, name="")
    assert made.name == "data"
    assert dependencies(made) == ["python 3.12.*", "libffi", "numpy", "openssl", "readline", "six"]
    assert versions(made)["numpy"] == "1.26" and noted(made, "it is unknown what people requested")
    assert noted(made, "no longer needed on linux-64: _openmp_mutex, libgcc-ng")


def test_a_full_export_without_builds(site):
    made = site.take("\n".join(line.rsplit("=", 1)[0] if line.count("=") == 2 else line for line in FULL.splitlines()))
    assert versions(made)["numpy"] == "1.26" and "numpy" in dependencies(made)


def test_from_history(site):
    made = site.take("name: x\nchannels: [defaults]\ndependencies: [python=3.12, numpy]\nprefix: /x\n")
    assert dependencies(made) == ["python 3.12.*", "numpy"] and versions(made)["numpy"] == "2.0"


def test_conda_list_export(site):
    text = "# This file may be used to create an environment using:\n# platform: linux-64\n"
    text += "python=3.12.1=h1_0_cpython\nnumpy=1.26=py312_0\nlibblas=3.9=1_openblas\nrequests=2.32.3=pypi_0\n"
    made = site.take(text, file="list.txt")
    assert dependencies(made) == ["python 3.12.*", "numpy", "requests"] and versions(made)["numpy"] == "1.26"
    made = site.take(text, file="list.txt", name="wide", platforms=("linux-64", "osx-arm64"))
    assert set(Lock.loads(made.lock).platforms) == {"linux-64", "osx-arm64"} and versions(made, "osx-arm64")["numpy"]


@pytest.mark.parametrize("kind", ["sha256", "md5", ""])
def test_explicit_lists(site, kind):
    lines = ["# platform: linux-64", "@EXPLICIT"]
    for (subdir, file), r in site.channel.records.items():
        if subdir != "osx-arm64" and (r["name"], r["build"]) in {("python", "h1_0_cpython"), ("six", "pyhd_0")}:
            digest = f"#{'sha256:' if kind == 'sha256' else ''}{r[kind]}" if kind else ""
            lines.append(f"https://conda.anaconda.org/conda-forge/{subdir}/{file}{digest}")
    made = site.take("\n".join(lines), file="spec-file.txt")
    assert made.exact and dependencies(made) == ["python 3.12.*", "six"]


def test_other_encodings(site):
    (site.folder / "e.yml").write_bytes("dependencies: [python=3.12]\n".encode("utf-16"))  # PowerShell's `>`
    assert dependencies(run(site.settings(site.folder / "e.yml", "train"), write=False)) == ["python 3.12.*"]
    (site.folder / "e.yml").write_bytes(b"\xef\xbb\xbfdependencies: [python=3.12]\r\n")
    assert run(site.settings(site.folder / "e.yml", "train"), write=False).spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither an environment.yml"),
        ("just words\n", "neither an environment.yml"),
        ("a: [\n", "environment.yml:2:1"),
        ("name: x\n", "no list of dependencies"),
        ("version: 1\nmetadata: {}\npackage: []\n", "is a lock"),
        ("dependencies: []\n", "none of its packages"),
        ("dependencies: [no-such-thing]\n", "none of its packages"),
        ("@EXPLICIT\nnot an address\n", "environment.yml:2: 'not an address'"),
        ("@EXPLICIT\nhttps://x.example/c/linux-64/a-1-0.conda\nhttps://x.example/c/osx-64/b-1-0.conda\n", "for osx-64"),
        ("dependencies: [python]\nplatforms: [win-64]\n", "is for win-64"),
    ],
)
def test_files_that_describe_nothing(site, text, message):
    with pytest.raises(ImportFailed, match=message.replace("(", "[(]")):
        site.take(text)
    assert not list((site.folder / "envs").rglob("*.y*ml"))


# platforms, versions, solutions


def test_platforms_that_lack_a_package_are_left_out(site):
    made = site.take("dependencies: [python=3.12, nccl]\n", platforms=("linux-64", "osx-arm64"))
    assert noted(made, "not for osx-arm64: the channel has no nccl") and "platforms:\n  - linux-64\n" in made.spec
    assert Lock.loads(made.lock).platforms == ("linux-64",)


def test_platforms_without_a_solution_are_left_out(site):
    """The environment is linux-64's, and what it holds of nested cannot be had for osx-arm64."""
    site.channel.add("nested", "1.0", "0", ["no-such"], subdir="osx-arm64")
    site.channel.add("nested", "1.0", "0", ["python"], subdir="linux-64")
    prefix = site.prefix("python 3.12", "nested", "six")
    made = run(site.settings(prefix, platforms=("linux-64", "osx-arm64")), write=False)
    assert made.exact and noted(made, "not for osx-arm64: the channel has no solution")
    assert "platforms:\n  - linux-64\n" in made.spec and Lock.loads(made.lock).platforms == ("linux-64",)


def test_more_platforms_than_processors(site, monkeypatch):
    """They are solved in turns, and more than once where versions have to be loosened."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    site.channel.add("old", "1.0", "0", ["numpy 9"], subdir="noarch")
    site.channel.add("old", "2.0", "0", ["python"], subdir="noarch")
    made = site.take("dependencies: [python=3.12, old=1.0]\n", platforms=("linux-64", "osx-arm64"))
    assert dependencies(made) == ["python 3.12.*", "old"]


def test_builds_for_cuda_and_for_the_cpu_stay_so(site):
    for build, wanted in (("cuda126", "pytorch=*=cuda*"), ("cpu", "pytorch=*=cpu*")):
        prefix = site.prefix("python 3.12", f"pytorch 2.5.1 {build}", "cuda-version 12.8", name=build)
        made = run(site.settings(prefix, system_requirements={"cuda": "12.9"}), write=False)
        assert wanted in dependencies(made) and made.exact, made.notes
        assert {p.build for p in Lock.loads(made.lock).packages if p.name == "pytorch"} == {
            "cuda126_0" if build == "cuda126" else "cpu_generic_0"
        }


LINES = ["python=3.12", "a=1=0", "pip", "==", "*", "c::b", "a[", "x>=1|<0", "git+https://x", "é", "../x.conda", "pip:"]
SCALARS = st.one_of(st.none(), st.integers(), st.text(max_size=12), st.sampled_from(LINES))
KEYS = st.one_of(st.text(max_size=5), st.sampled_from(["name", "channels", "pip", "variables", "platforms", "prefix"]))
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@given(
    st.dictionaries(KEYS, DATA, max_size=3), st.lists(DATA, max_size=4), st.sampled_from(["", "@EXPLICIT\n", "a=1=0\n"])
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_file_holds_there_is_an_answer_or_a_reason(tmp_path, data, dependencies, head):
    text = head + json.dumps(data | {"dependencies": dependencies})
    (tmp_path / "e.yml").write_text(text, encoding="utf-8", errors="replace")
    try:
        read(tmp_path / "e.yml")
    except ImportFailed as error:
        assert "e.yml" in str(error)


def test_only_what_must_is_loosened(site):
    """numpy 1.26 exists, for this python too; only six 1.17 cannot be had with old-six."""
    site.channel.add("old-app", "1.0", "0", ["python", "numpy >=2"], subdir="linux-64")
    made = site.take("dependencies: [python=3.12, numpy==1.26, libblas==3.9, old-app]\n")
    assert dependencies(made) == ["python 3.12.*", "libblas ==3.9", "numpy", "old-app"]
    assert noted(made, "environment.yml:1", "`numpy==1.26` -> `numpy`", "with ==1.26 there is no solution")


def test_without_a_solution_nothing_is_written_and_everything_is_said(site):
    site.channel.add("old-app", "1.0", "0", ["python 3.13.*"], subdir="linux-64")
    with pytest.raises(ImportFailed) as failed:
        site.take("channels: [defaults]\ndependencies: [python=3.12, old-app]\n")
    text = str(failed.value)
    assert "error unsolvable" in text and "solvable without `old-app`" in text
    assert "channel defaults" in text and "  - python 3.12.*" in text and str(site.folder / "envs/train.yml") in text
    assert not list((site.folder / "envs").rglob("*.y*ml")) and "lockstep-import-" not in text


def test_another_python_is_for_a_person_to_decide(site):
    site.channel.add("new-app", "1.0", "0", ["python 3.13.*"], subdir="linux-64")
    text = "dependencies: [python=3.12, new-app]\n"
    with pytest.raises(ImportFailed, match=r"add for example -e python=3[.]12"):
        site.take(text)
    made = site.take(text, python="3.13")
    assert dependencies(made) == ["python 3.13.*", "new-app"] and noted(
        made, "`python=3.12` -> `python 3.13.*`", "as requested by -e python"
    )
    with pytest.raises(ImportFailed, match="not a series"):
        site.take(text, python="latest")


# writing


def test_nothing_is_replaced_unless_told(site):
    first = site.take("dependencies: [python=3.12]\n")
    again = site.take("dependencies: [python=3.12]\n")
    assert first.changed and not again.changed, "the same again is no replacement"
    with pytest.raises(ImportFailed, match=r"envs/train.yml.*an environment of that name already exists"):
        site.take("dependencies: [python=3.12, six]\n")
    assert "six" not in (site.folder / "envs/train.yml").read_text()
    made = site.take("dependencies: [python=3.12, six]\n", force=True)
    assert made.changed and "six" in (site.folder / "envs/train.yml").read_text()
    assert "  + six 1.17 pyhd_0" in made.difference


def test_a_killed_import_is_completed_by_the_next(site, monkeypatch):
    writes = []
    real = atomic_write.write

    def dies_at_the_second(path, text):
        writes.append(path)
        if len(writes) == 2:
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(atomic_write, "write", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        site.take("dependencies: [python=3.12]\n")
    assert (site.folder / "envs/train.yml").exists() and not (site.folder / "envs/locks/dev").exists()
    monkeypatch.setattr(atomic_write, "write", real)
    assert site.take("dependencies: [python=3.12]\n").changed
    assert (site.folder / "envs/locks/dev/train.conda-lock.yml").exists()


def test_the_name_must_be_one(site):
    with pytest.raises(ImportFailed, match="give it a name with -e env=train"):
        site.take("dependencies: [python=3.12]\n", name="")
    with pytest.raises(ImportFailed, match="give it a name"):
        site.take("dependencies: [python=3.12]\n", name="../x")


def test_the_same_source_gives_the_same_bytes(site):
    one, two = site.take(FULL, write=False), site.take(FULL, write=False)
    assert (one.spec, one.lock, one.notes) == (two.spec, two.lock, two.notes)


def test_the_ordinary_locking_agrees(site):
    made = site.take(FULL)
    (outcome,) = make_locks(site.settings("x", "train").site, write=False)
    assert not outcome.changed and not errors(outcome.findings) and outcome.new_text == made.lock


def test_the_playbook(site):
    source = site.folder / "environment.yml"
    source.write_text("channels: [defaults]\ndependencies: [python=3.12, numpy]\n")

    def play(*arguments):
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "playbooks/import.yml"]
        for key, value in (("envs_dir", "envs"), ("locks_dir", "envs/locks"), ("repodata_alias", "channels")):
            command += ["-e", f"lockstep_{key}={site.folder}/{value}"]
        environment = os.environ | {"ANSIBLE_NOCOLOR": "1", "LOCKSTEP_CACHE": str(site.folder / "cache")}
        done = subprocess.run(
            [*command, *arguments],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    code, output = play()
    assert code == 2 and "-e from=PATH" in output
    code, output = play("-e", f"from={source}", "-e", "lockstep_platforms=linux-65")
    assert code == 2 and "lockstep_platforms: unknown platform linux-65; use linux-64, " in output
    there = ("-e", f"from={source}", "-e", "env=train")
    code, output = play(*there, "--check", "--diff")
    assert code == 0 and "+  - python 3.12.*" in output and "linux-64: new, 3 packages" in output
    assert "environment.yml:1: left out: channel defaults" in output and not (site.folder / "envs/train.yml").exists()
    code, output = play(*there)
    assert code == 0 and "changed=1" in output and (site.folder / "envs/train.yml").exists()
    assert "changed=0" in play(*there)[1]
    source.write_text("dependencies: [python=3.12]\n")
    code, output = play(*there)
    assert code == 2 and "-e force=true" in output and "Traceback" not in output
    assert play(*there, "-e", "force=true")[0] == 0
