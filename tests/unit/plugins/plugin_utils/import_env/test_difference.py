"""How the new lock differs from the environment that was imported."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run

from tests.support.import_site import noted, versions


def test_packages_that_the_channel_lacks_are_noted(site):
    gone = {"sha256": "0" * 64, "md5": "0" * 32, "version": "1.25"}
    prefix = site.prefix("python 3.12", "numpy 1.26 py312", "libblas", "six", numpy=gone)
    made = run(site.settings(prefix), write=False)
    assert not made.exact and versions(made)["six"] == "1.17"
    assert noted(made, "numpy 1.25 -> 2.0", "the channel does not have the old version")
    assert noted(made, "3 of 4 packages are the same files")


def test_package_with_another_checksum_is_noted(site):
    prefix = site.prefix("python 3.12", "six", six={"sha256": "1" * 64, "md5": "1" * 32})
    made = run(site.settings(prefix), write=False)
    assert not made.exact and noted(made, "the same version in another build", "six")


def test_packages_of_other_channels_are_solved_again_at_the_same_version(site):
    other = {"url": "https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.26-py312h1_0.conda", "build": "py312h1_0",
             "sha256": "2" * 64, "md5": "2" * 32}  # fmt: skip
    prefix = site.prefix("python 3.12", "numpy 1.26 py312", "libblas", numpy=other)
    made = run(site.settings(prefix), write=False)
    assert versions(made)["numpy"] == "1.26", "2.0 is there, and stays away"
    assert noted(made, "1 packages came from https://repo.anaconda.com/pkgs/main: solved again")
    assert noted(made, "another build", "numpy")
