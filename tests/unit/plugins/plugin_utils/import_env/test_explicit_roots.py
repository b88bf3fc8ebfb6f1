"""Which packages of an environment its spec has to name."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run

from tests.support.import_site import FULL, dependencies, noted, versions


def test_spec_without_a_history_names_what_no_other_package_needs(site):
    made = run(site.settings(site.prefix("python 3.12", "numpy 1.26 py312", "libblas", "six")), write=False)
    assert made.exact and dependencies(made) == ["python 3.12.*", "numpy", "six"]
    assert noted(made, "it is unknown what people requested")
    assert not list((site.folder / "envs").glob("*.yml")), "write=False"


def test_one_of_packages_that_need_each_other_is_named(site):
    site.channel.add("ring-a", "1.0", "0", ["ring-b"]).add("ring-b", "1.0", "0", ["ring-a"])
    made = run(site.settings(site.prefix("python 3.12", "ring-a", "ring-b")), write=False)
    assert made.exact and dependencies(made) == ["python 3.12.*", "ring-a"]


def test_history_of_an_explicit_list_names_no_requests(site):
    specs = ["conda-forge/linux-64::python==3.12.1=h1_0_cpython", "conda-forge/noarch::six==1.17=pyhd_0"]
    history = f"# update specs: {specs}\n"
    made = run(site.settings(site.prefix("python 3.12", "six", history=history)), write=False)
    assert dependencies(made) == ["python 3.12.*", "six"] and made.exact


def test_full_export_names_what_no_other_package_needs(site):
    made = site.take(FULL, name="")
    assert made.name == "data"
    assert dependencies(made) == ["python 3.12.*", "libffi", "numpy", "openssl", "readline", "six"]
    assert versions(made)["numpy"] == "1.26" and noted(made, "it is unknown what people requested")
    assert noted(made, "no longer needed on linux-64: _openmp_mutex, libgcc-ng")


def test_full_export_without_builds_keeps_versions(site):
    made = site.take("\n".join(line.rsplit("=", 1)[0] if line.count("=") == 2 else line for line in FULL.splitlines()))
    assert versions(made)["numpy"] == "1.26" and "numpy" in dependencies(made)
