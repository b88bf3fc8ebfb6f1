"""One environment: from its spec to the text of its lock."""

import rattler
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile


def test_lock_is_complete_and_names_published_urls(site):
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
    assert plans.check(lockfile.plan(lock, "train", "linux-64").to_json()) == []
    assert str(site.settings.envs_dir) not in site.text(), "no path of this machine in a lock"


def test_py_rattler_reads_the_lock(site, tmp_path):
    site.spec("python 3.12.*", "numpy")
    site.one()
    read = rattler.LockFile.from_path(str(site.settings.locks_dir / "dev" / "train.conda-lock.yml"))
    records = read.default_environment().conda_repodata_records_for_platform(read.platforms()[0])
    assert {r.name.normalized for r in records} == {"python", "numpy", "libblas"}


def test_same_spec_gives_the_same_bytes(site):
    site.spec("python 3.12.*", "numpy", "torch-like")
    site.one(platforms=("linux-64", "osx-arm64"))
    first = site.text()
    assert not site.one(platforms=("osx-arm64", "linux-64")).changed
    (site.settings.locks_dir / "dev" / "train.conda-lock.yml").unlink()
    site.one(platforms=("linux-64", "osx-arm64"))
    assert site.text() == first


def test_lock_has_only_keys_of_the_format(site):
    site.spec("python")
    site.one()
    document = yaml.safe_load(site.text())
    assert set(document["metadata"]["custom_metadata"]) == {"created_by", "download_bytes", "system_requirements"}


def test_package_that_hosts_would_refuse_is_not_locked(site):
    site.channel.add("unusable", build="0;x")
    site.spec("unusable")
    (finding,) = site.one().findings
    assert finding.code == "unusable-lock" and "unusable for linux-64: build '0;x' is not acceptable" in finding.message
    assert not site.settings.locks_dir.exists()
