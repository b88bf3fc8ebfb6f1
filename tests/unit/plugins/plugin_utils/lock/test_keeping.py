"""The least change: which locked packages stay, and which move."""

from tests.support.small_channel import SmallChannel


def test_locked_packages_that_satisfy_the_spec_stay(site):
    site.spec("python 3.12.*", "numpy <2", "six")
    site.one()
    site.spec("python 3.12.*", "numpy", "six")
    site.channel.add("six", "1.18", "pyhd_0", ["python"], subdir="noarch")
    assert not site.one().changed
    site.one(update=("numpy",))
    assert site.versions()["numpy"] == "2.0" and site.versions()["six"] == "1.17"
    site.one(upgrade=True)
    assert site.versions()["six"] == "1.18"


def test_update_moves_a_package_and_what_it_needs(site):
    site.channel.add("numpy", "3.0", "py312_0", ["python 3.12.*", "libblas >=4"])
    site.spec("python 3.12.*", "numpy <3", "six")
    site.one()
    site.channel.add("libblas", "4.0", "1_mkl").add("six", "1.18", "pyhd_0", ["python"], subdir="noarch")
    site.spec("python 3.12.*", "numpy", "six")
    outcome = site.one(update=("numpy",))
    assert site.versions() == {"python": "3.12.1", "numpy": "3.0", "libblas": "4.0", "six": "1.17"}
    assert "  ! BLAS openblas -> mkl" in outcome.difference and "  ~ numpy 2.0 -> 3.0" in outcome.difference


def test_update_is_not_held_back_by_locked_packages(site):
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


def test_changed_spec_or_system_requirements_make_the_lock_stale(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    assert not site.one(write=False).changed
    assert site.one(write=False, system_requirements={"glibc": "2.35"}).changed
    site.spec("python 3.12.*", "numpy <2")
    assert site.one(write=False).changed


def test_withdrawn_package_is_a_finding_and_is_replaced(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    site.channel.remove("numpy", "2.0")
    outcome = site.one()
    assert [f.code for f in outcome.findings] == ["withdrawn"] and "numpy 2.0 py312_0" in outcome.findings[0].message
    assert site.versions()["numpy"] == "1.26"


def test_package_with_other_contents_under_the_same_name_is_a_finding(site):
    site.spec("python 3.12.*", "numpy")
    site.one()
    site.channel.add("numpy", "2.0", "py312_0", ["python 3.12.*", "libblas"], sha256="e" * 64)
    outcome = site.one()
    assert [f.code for f in outcome.findings] == ["withdrawn"]
    assert any("other contents" in line for line in outcome.difference)


def test_locked_package_that_violates_new_rules_is_replaced(site):
    SmallChannel(site.channel.folder, "ml").add("numpy", "1.0", "own_0")
    site.spec("python", "numpy")
    site.one(channels=("ml", "conda-forge"))
    site.one(channels=("conda-forge", "ml"))
    assert site.versions()["numpy"] == "2.0", "the first channel with the name is the only one"
    site.one(channels=("conda-forge", "ml"), exclude_newer="2024-02-01")
    assert site.versions()["numpy"] == "1.26", "what is newer than allowed does not stay"
