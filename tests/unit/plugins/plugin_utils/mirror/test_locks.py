"""Which locks are mirrored, and which are refused."""

from __future__ import annotations

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem

from tests.support.mirror_samples import Site, Source, whole


def test_chosen_tiers_environments_and_platforms_limit_the_mirror(site: Site, served: Source) -> None:
    site.mirror(served.url, chosen=("dev",), platforms=("linux-64",), envs=("train",))
    assert [path.rpartition("/")[2][:5] for path in whole(site.folder / "m")] == ["big-1", "pytho", "alpha"]
    for wrong, said in (
        ({"chosen": ("qa",)}, "'qa' is no tier.*dev, test, prod"),
        ({"chosen": ("../dev",)}, "'../dev' is no tier"),
        ({"chosen": ("test",)}, "tier test has no locks"),
        ({"envs": ("trian",)}, "no lock of trian.*dev, prod"),
        ({"platforms": ("osx-64",)}, "no lock has packages for osx-64.*linux-64"),
    ):
        with pytest.raises(Problem, match=f"(?s){said}"):
            site.mirror(served.url, "m2", **wrong)
    assert not (site.folder / "m2").exists()
    assert site.mirror(served.url, platforms=("linux-64", "osx-64")).notes == ["no lock has packages for osx-64"]


def test_unusable_previous_lock_is_noted_and_unusable_lock_is_refused(site: Site, served: Source) -> None:
    path = site.locks / "prod" / "previous" / "train.conda-lock.yml"
    path.write_text(path.read_text().replace("sha256: ", "sha256: 0"))
    made = site.mirror(served.url)
    assert "prod/previous/train.conda-lock.yml is left out, and a rollback would refuse it" in made.notes[0]
    path = site.locks / "prod" / "train.conda-lock.yml"
    path.write_text("version: 1\n")
    with pytest.raises(Problem, match=r"prod/train.conda-lock.yml cannot be used"):
        site.mirror(served.url)
    with pytest.raises(Problem, match="not one of the allowed"):
        site.mirror(served.url, chosen=("dev",), channels=("conda-forge",))
