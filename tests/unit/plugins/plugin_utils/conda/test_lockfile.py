"""Locks: the same bytes, read back as written; damaged, hostile and unverifiable locks are refused."""

import json
import re
import time

import pytest
import rattler
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import locked_package, lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, LockError

from tests.support.lock_samples import BASE, lock, package, with_content_hashes


def refused(text: str, **other) -> str:
    with pytest.raises(LockError) as caught:
        Lock.loads(text, "envs/locks/dev/train.conda-lock.yml", **other)
    message = str(caught.value)
    assert message.startswith("envs/locks/dev/train.conda-lock.yml")
    return message


def altered(change) -> str:
    """The sample lock's text with its data changed but the content hashes put right, as someone clever would."""
    document = yaml.safe_load(lock().dumps())
    change(document)
    return with_content_hashes(document)


def test_lock_is_read_back_as_written():
    made = lock(
        custom={"system_requirements": json.dumps({"cuda": "12.8"}), "variables": json.dumps({"OMP_NUM_THREADS": "4"})}
    )
    text = made.dumps()
    again = Lock.loads(text, "x")
    assert again.dumps() == text
    assert set(again.packages) == set(made.packages)
    assert again.variables == {"OMP_NUM_THREADS": "4"} and again.value("system_requirements") == {"cuda": "12.8"}


def test_order_of_packages_does_not_change_the_bytes():
    made = lock()
    turned = lock(*reversed(made.packages))
    assert turned.dumps() == made.dumps()


def test_lock_has_only_the_keys_of_the_format():
    document = yaml.safe_load(lock().dumps())
    assert list(document) == ["version", "metadata", "package"]
    assert set(document["metadata"]) == {"content_hash", "channels", "platforms", "sources", "custom_metadata"}
    assert document["metadata"]["custom_metadata"]["created_by"] == "lockstep"
    wanted = {"name", "version", "manager", "platform", "dependencies", "url", "hash", "build", "category", "optional"}
    assert all(set(entry) == wanted for entry in document["package"])
    names = [entry["name"] for entry in document["package"]]
    assert names == sorted(names)


def test_py_rattler_reads_the_lock(tmp_path):
    path = tmp_path / "train.conda-lock.yml"
    path.write_text(lock().dumps())
    read = rattler.LockFile.from_path(str(path))
    platform = next(p for p in read.platforms() if p.name == "linux-64")
    records = read.default_environment().conda_repodata_records_for_platform(platform)
    assert {record.name.normalized for record in records} == {"python", "zlib", "six"}
    assert {record.sha256.hex() for record in records} == {"ab" * 32}


def test_py_rattler_reads_wheels_in_the_lock(tmp_path):
    url = "https://files.example/packages/einops_exts-0.0.4-py3-none-any.whl"
    wheel = package("einops-exts", "0.0.4", "", manager="pip", md5="", sha256="cd" * 32, url=url)
    path = tmp_path / "train.conda-lock.yml"
    path.write_text(lock(package("python", "3.12.1", "h1_0_cp312"), wheel).dumps())
    (platform, *_) = (read := rattler.LockFile.from_path(str(path))).platforms()
    (found,) = read.default_environment().pypi_packages_for_platform(platform)
    assert (found.name, str(found.version), found.location) == ("einops-exts", "0.0.4", url)
    assert found.hashes.sha256.hex() == wheel.sha256


def test_dependencies_on_one_package_are_merged():
    assert locked_package.merge_depends(["a >=1", "a <2", "b * build_*", "b >=1|0", "c"]) == (
        ("a", ">=1,<2"),
        ("b", ">=1|0 build_*"),
        ("c", ""),
    )
    assert locked_package.merge_depends(["a >=1|0", "a <2"]) == (("a", "(>=1|0),<2"),)
    with pytest.raises(LockError, match="one constraint cannot hold"):
        locked_package.merge_depends(["a * x", "a * y"])


def test_install_plan_has_the_packages_of_its_platform():
    custom = {"download_bytes": '{"linux-64": 5}', "smoke_test": "import six"}
    made = lockfile.plan(lock(custom=custom), "train", "linux-64")
    assert plans.check(made.to_json()) == [] and made.download_bytes == 5 and made.smoke == "import six"
    assert [p.name for p in made.packages] == ["python", "six", "zlib"]
    python, six, _ = made.packages
    assert python.build_number == 0 and python.python_site_packages_path == "lib/python3.12/site-packages"
    assert six.noarch == "python" and six.depends == ["python"] and six.subdir == "noarch"
    assert made.channel == BASE


def test_channel_alias_changes_urls_and_not_the_digest():
    direct = lockfile.plan(lock(), "train", "linux-64")
    mirrored = lockfile.plan(lock(), "train", "linux-64", channel_alias="http://10.77.0.2:8000/")
    assert mirrored.digest == direct.digest and mirrored.channel == "http://10.77.0.2:8000/conda-forge"
    assert all(p.url.startswith("http://10.77.0.2:8000/conda-forge/") for p in mirrored.packages)


def test_plan_for_a_platform_missing_from_the_lock_is_refused():
    with pytest.raises(LockError, match=r"no packages for linux-aarch64, only for linux-64, osx-arm64; add"):
        lockfile.plan(lock(), "train", "linux-aarch64")


@pytest.mark.parametrize(
    ("build", "number", "path"),
    [
        ("h1_2_cp313t", 2, "lib/python3.13t/site-packages"),
        ("h1_7_cpython", 7, None),
        ("py312h1_100", 100, None),
        ("0", 0, None),
        ("abc", 0, None),
    ],
)
def test_site_packages_path_follows_the_build_string(build, number, path):
    planned = package("python", "3.13.0", build).planned()
    assert (planned.build_number, planned.python_site_packages_path) == (number, path)


def set_first(**values):
    return lambda document: document["package"][0].update(values)


HOSTILE = [
    (lambda d: d["package"][0]["hash"].pop("sha256"), "no sha256"),
    (lambda d: d["package"][0]["hash"].update(sha256=""), "no sha256"),
    (lambda d: d["package"][0]["hash"].update(sha256="ab" * 31), "no sha256"),
    (lambda d: d["package"][0]["hash"].pop("md5"), "'md5' is missing"),
    (lambda d: d["package"][0]["hash"].update(sha1="x"), "hash is not"),
    (set_first(url="https://evil.example/conda-forge/linux-64/python-3.12.1-h1_0_cp312.conda"), "not in the channels"),
    (
        set_first(url="https://conda.anaconda.org/bioconda/linux-64/python-3.12.1-h1_0_cp312.conda"),
        "not in the channels",
    ),
    (set_first(url=f"{BASE}/x/linux-64/python-3.12.1-h1_0_cp312.conda"), "not in the channels"),
    (set_first(url=f"{BASE}/linux-64/../linux-64/python-3.12.1-h1_0_cp312.conda"), "not acceptable"),
    (set_first(url=f"{BASE}/linux-64/%2e%2e/python-3.12.1-h1_0_cp312.conda"), "not acceptable"),
    (set_first(url=f"{BASE}/linux-64/other-1-0.conda"), "file name"),
    (
        set_first(url="https://u:pw@conda.anaconda.org/conda-forge/linux-64/python-3.12.1-h1_0_cp312.conda"),
        "credentials",
    ),
    (set_first(url="python"), "not acceptable"),
    (set_first(url=""), "not acceptable"),
    (set_first(name="../python"), "name '../python'"),
    (set_first(name="py\u0442hon"), "printable ASCII"),
    (set_first(version="1/../../2"), "version"),
    (set_first(build="../x"), "build"),
    (set_first(version=1.10), "put it in quotes"),
    (set_first(manager="npm"), "manager 'npm'"),
    (set_first(platform="win-64"), "not one of the lock's platforms"),
    (set_first(category="dev"), "category"),
    (set_first(optional=True), "optional"),
    (set_first(evil=1), "unknown key evil"),
    (set_first(dependencies=["a"]), "dependencies"),
    (set_first(dependencies={"a": 1}), "put it in quotes"),
    (set_first(name="__cuda"), "virtual package"),
    (lambda d: d["package"].append(d["package"][0]), "listed twice"),
    (
        lambda d: d["package"].append(
            d["package"][0] | {"version": "3", "url": f"{BASE}/linux-64/python-3-h1_0_cp312.conda"}
        ),
        "listed twice",
    ),
    (
        lambda d: d["package"].append(
            d["package"][1] | {"platform": "osx-arm64", "hash": {"md5": "0" * 32, "sha256": "0" * 64}}
        ),
        "other hashes",
    ),
    (
        lambda d: d["package"].append(
            {
                "name": "six",
                "version": "1",
                "manager": "pip",
                "platform": "linux-64",
                "dependencies": {},
                "url": "https://pip.example/six-1-py3-none-any.whl",
                "hash": {"sha256": "a" * 64},
                "category": "main",
                "optional": False,
            }
        ),
        "listed twice",
    ),
    (lambda d: d["package"].append("x"), "not a mapping"),
    (
        lambda d: d["package"].append(
            {
                "name": "w",
                "version": "1",
                "manager": "pip",
                "platform": "linux-64",
                "dependencies": {},
                "url": "git+https://x.example/w",
                "hash": {"sha256": "a" * 64},
                "category": "main",
                "optional": False,
            }
        ),
        "not a wheel's",
    ),
    (lambda d: d["metadata"].update(channels=[]), "no channels"),
    (lambda d: d["metadata"].update(channels=[{"url": "https://u:pw@h/c"}]), "credentials"),
    (lambda d: d["metadata"].update(channels=[{"url": "conda-forge", "used_env_vars": ["TOKEN"]}]), "only a url"),
    (lambda d: d["metadata"].update(channels="conda-forge"), "not a list"),
    (lambda d: d["metadata"].update(git_metadata={}), "unknown key git_metadata"),
    (lambda d: d["metadata"].update(custom_metadata={"variables": "{"}), "not JSON"),
    (lambda d: d["metadata"].update(custom_metadata={"variables": "[" * 100000}), "not JSON"),
    (lambda d: d["metadata"].update(custom_metadata={"variables": '{"A B": "x"}'}), "not a name"),
    (lambda d: d["metadata"].update(custom_metadata={"x": 1}), "strings"),
    (
        lambda d: d["metadata"].update(custom_metadata={"smoke_test": "import six\0"}),
        "smoke test holds a NUL character",
    ),
    (lambda d: d["metadata"].update(custom_metadata={"smoke_test": "#" * 65537}), "has 65537 bytes, more than 65536"),
    (lambda d: d["metadata"].pop("platforms"), "'platforms' is missing"),
    (lambda d: d["metadata"]["platforms"].append("win-64"), "unknown"),
    (lambda d: d.update(version=2), "version is 2"),
    (lambda d: d.update(version=True), "version is True"),
    (lambda d: d.update(extra=1), "top level"),
    (lambda d: d.update(package={}), "not a list"),
    (lambda d: d.update(metadata=[]), "not a mapping"),
]


@pytest.mark.parametrize(("change", "message"), HOSTILE)
def test_hostile_lock_is_refused(change, message):
    text = refused(altered(change))
    assert message in text, text
    assert "pw@" not in text, "a secret must not get into a message"


def test_error_names_the_line_of_the_entry():
    assert re.match(
        r"envs/locks/dev/train.conda-lock.yml:\d+: package 1 \(python\): ", refused(altered(set_first(version=1.1)))
    )


def test_edited_lock_is_refused_by_its_content_hash():
    text = lock().dumps().replace("h1_0_cp312", "h1_1_cp312")
    assert "the packages for linux-64 do not match the content hash" in refused(text)


def test_channel_that_is_not_allowed_is_refused():
    text = lock(channels=("conda-forge", "bioconda")).dumps()
    assert "channel bioconda is not one of the allowed ones (conda-forge)" in refused(text, channels=["conda-forge"])
    assert Lock.loads(text, "x", channels=["bioconda", "https://conda.anaconda.org/conda-forge"])
    with pytest.raises(LockError, match="not one of the allowed"):
        lockfile.plan(Lock.loads(text, "x"), "train", "linux-64", channels=["conda-forge"])


def test_lock_that_cannot_be_read_back_is_not_written():
    with pytest.raises(LockError, match="no sha256"):
        lock(package(sha256="")).dumps()


YAML_BOMBS = [
    "[" * 500_000,
    "{a: " * 100_000,
    "a: &x [1]\nb: *x\n",
    "a: {<<: {b: 1}}\n",
    "a: 1\na: 2\n",
    "? [a]\n: 1\n",
    "!!python/object:os.system x",
    "a: !!binary x",
    "\x00",
    "\ufeff\ufeff",
    "a: 2024-99-99",
    "a: " + "9" * 5000,
    "- a\n- b\n--- c\n",
    "%YAML 9.9\n---\n",
    "\t",
    "'",
    "a: b: c",
    "x" * (33 << 20),
    "",
    "- &a x",
    "\ud800",
]


@pytest.mark.parametrize("text", YAML_BOMBS, ids=lambda text: repr(text[:12]))
def test_hostile_yaml_is_refused_within_seconds(text):
    started = time.process_time()
    refused(text)
    assert time.process_time() - started < 2
