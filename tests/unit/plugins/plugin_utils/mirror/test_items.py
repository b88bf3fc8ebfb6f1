"""From locks and settings to the list of files."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import locked_package
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Extras

from tests.support.mirror_samples import ALIAS, Site, Source, whole


def test_several_channels_and_one_named_by_its_url(site: Site, served: Source) -> None:
    url = f"{served.url}/own"
    shutil.copytree(site.upstream / "forge", site.upstream / "own")
    gamma = site.package("gamma")
    mine = locked_package.Package(**{**gamma.__dict__, "url": gamma.url.replace(f"{ALIAS}/forge", url)})
    site.lock("dev", "both", "python", "stranger", channels=("forge", "other/label/rc"))
    site.lock("dev", "mine", mine, channels=(url,))
    made = site.mirror(served.url, chosen=("dev",))
    folder = f"127.0.0.1_{served.server.server_port}/own"
    listed = whole(site.folder / "m")
    assert "other/label/rc/linux-64/stranger-1.0-htiny_0.conda" in listed
    assert f"{folder}/linux-64/gamma-1.0-htiny_0.conda" in listed
    assert (site.folder / "m" / "other/label/rc/noarch/repodata.json").exists(), "always there, also without packages"
    assert f"channel {url} is named by its url" in made.notes[0] and f"serve {folder} at that" in made.notes[0]


def test_two_different_files_of_one_name_are_refused(site: Site, served: Source) -> None:
    """The channel replaced a file between two locks: one mirror cannot hold both."""
    site.lock("test", "train", site.package("python", sha256="ab" * 32))
    with pytest.raises(Problem, match=r"two files would lie at forge/linux-64/python.*Remedy: lock again"):
        site.mirror(served.url)


def test_extras_without_a_needed_file_are_noted_and_unsafe_names_are_refused(site: Site, served: Source) -> None:
    extras = Extras(("py313_1-1",), {}, ({"linux-aarch64": {"file": "x.whl", "sha256": "ab" * 32}},))
    notes = site.mirror(served.url, extras=extras).notes
    assert notes == ["miniconda_installers has no installer of py313_1-1 for linux-64",
                     "conda_envs_rattler_wheels has none for linux-64"]  # fmt: skip
    bad = Extras((), {}, ({"linux-64": {"file": "../x.whl", "sha256": "ab" * 32}},))
    with pytest.raises(Problem, match="not a file's name"):
        site.mirror(served.url, extras=bad)
