"""Reading descriptions of environments: exports, lists, recipes."""

import json

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import ImportFailed
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import read, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.import_site import dependencies, versions


def test_export_from_history_is_locked_with_new_versions(site):
    made = site.take("name: x\nchannels: [defaults]\ndependencies: [python=3.12, numpy]\nprefix: /x\n")
    assert dependencies(made) == ["python 3.12.*", "numpy"] and versions(made)["numpy"] == "2.0"


def test_output_of_conda_list_export_is_read(site):
    text = "# This file may be used to create an environment using:\n# platform: linux-64\n"
    text += "python=3.12.1=h1_0_cpython\nnumpy=1.26=py312_0\nlibblas=3.9=1_openblas\nrequests=2.32.3=pypi_0\n"
    made = site.take(text, file="list.txt")
    assert dependencies(made) == ["python 3.12.*", "numpy", "requests"] and versions(made)["numpy"] == "1.26"
    made = site.take(text, file="list.txt", name="wide", platforms=("linux-64", "osx-arm64"))
    assert set(Lock.loads(made.lock).platforms) == {"linux-64", "osx-arm64"} and versions(made, "osx-arm64")["numpy"]


@pytest.mark.parametrize("kind", ["sha256", "md5", ""])
def test_explicit_list_is_imported_exactly(site, kind):
    lines = ["# platform: linux-64", "@EXPLICIT"]
    for (subdir, file), r in site.channel.records.items():
        if subdir != "osx-arm64" and (r["name"], r["build"]) in {("python", "h1_0_cpython"), ("six", "pyhd_0")}:
            digest = f"#{'sha256:' if kind == 'sha256' else ''}{r[kind]}" if kind else ""
            lines.append(f"https://conda.anaconda.org/conda-forge/{subdir}/{file}{digest}")
    made = site.take("\n".join(lines), file="spec-file.txt")
    assert made.exact and dependencies(made) == ["python 3.12.*", "six"]


def test_file_in_utf16_or_with_byte_order_mark_is_read(site):
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
def test_file_without_an_environment_is_refused(site, text, message):
    with pytest.raises(ImportFailed, match=message.replace("(", "[(]")):
        site.take(text)
    assert not list((site.folder / "envs").rglob("*.y*ml"))


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
def test_any_file_is_read_or_refused_with_its_name(tmp_path, data, dependencies, head):
    text = head + json.dumps(data | {"dependencies": dependencies})
    (tmp_path / "e.yml").write_text(text, encoding="utf-8", errors="replace")
    try:
        read(tmp_path / "e.yml")
    except ImportFailed as error:
        assert "e.yml" in str(error)
