"""Reading an environment from its files: records, history, variables, what pip installed."""

import json
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env import read_prefix
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import ImportFailed
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec

from tests.support.import_site import SITE, dependencies, noted, versions
from tests.support.package_index import Index

HISTORY = """==> 2024-05-01 10:00:00 <==
# cmd: /opt/conda/bin/conda create -n old python=3.12 numpy=1.26 six torch-like
# conda version: 24.4.0
+conda-forge/linux-64::python-3.12.1-h1_0_cpython
# update specs: ['python=3.12', 'numpy=1.26', 'six', 'torch-like']
==> 2024-05-02 10:00:00 <==
# remove specs: ['torch-like']
"""


def test_spec_has_the_requested_packages_and_the_lock_the_installed_ones(site):
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


def dist_info(prefix: Path, name: str, version: str, **files: str) -> None:
    folder = prefix / SITE / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    requires = "".join(f"Requires-Dist: {line}\n" for line in files.pop("requires", "").split(","))
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\nName: no\n")
    for file, text in files.items():
        (folder / {"requested": "REQUESTED", "direct": "direct_url.json"}[file]).write_text(text)


def test_packages_that_pip_installed_are_kept_or_noted(site, monkeypatch):
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


def test_variables_are_imported_without_secrets_and_paths(site):
    prefix = site.prefix("python 3.12")
    values = {"GOOD": "1", "HF_TOKEN": "abc", "lower": "1", "WHERE": f"{prefix}/share", "DATA": "/home/me/data"}
    (prefix / "conda-meta/state").write_text(json.dumps({"env_vars": values}))
    made = run(site.settings(prefix), write=False)
    assert Lock.loads(made.lock).variables == {"GOOD": "1"}
    assert noted(made, "decide", "HF_TOKEN") and noted(made, "decide", "WHERE") and noted(made, "decide", "DATA")
    assert "abc" not in made.spec + made.lock + "".join(note.line() for note in made.notes)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 1}', '{"name": "a", "version": "1"}', "[" * 100_000])
def test_damaged_record_is_refused_by_its_file_name(site, text):
    prefix = site.prefix("python 3.12")
    (prefix / "conda-meta/broken-1-0.json").write_text(text)
    with pytest.raises(ImportFailed, match=r"broken-1-0[.]json: not a conda record"):
        run(site.settings(prefix), write=False)


def test_folder_that_is_no_environment_is_refused(site):
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
def test_history_lines_of_all_conda_versions_are_read(tmp_path, line, specs):
    (tmp_path / "history").write_text(line + "\n")
    assert read_prefix._history(tmp_path / "history") == specs
