"""Requested specs to a lock: platforms, loosened versions, no solution."""

import os

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import ImportFailed
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run

from tests.support.import_site import dependencies, noted


def test_platform_that_lacks_a_package_is_left_out(site):
    made = site.take("dependencies: [python=3.12, nccl]\n", platforms=("linux-64", "osx-arm64"))
    assert noted(made, "not for osx-arm64: the channel has no nccl") and "platforms:\n  - linux-64\n" in made.spec
    assert Lock.loads(made.lock).platforms == ("linux-64",)


def test_platform_without_a_solution_is_left_out(site):
    """The environment is linux-64's, and what it holds of nested cannot be had for osx-arm64."""
    site.channel.add("nested", "1.0", "0", ["no-such"], subdir="osx-arm64")
    site.channel.add("nested", "1.0", "0", ["python"], subdir="linux-64")
    prefix = site.prefix("python 3.12", "nested", "six")
    made = run(site.settings(prefix, platforms=("linux-64", "osx-arm64")), write=False)
    assert made.exact and noted(made, "not for osx-arm64: the channel has no solution")
    assert "platforms:\n  - linux-64\n" in made.spec and Lock.loads(made.lock).platforms == ("linux-64",)


def test_platforms_are_solved_on_fewer_processors(site, monkeypatch):
    """They are solved in turns, and more than once where versions have to be loosened."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    site.channel.add("old", "1.0", "0", ["numpy 9"], subdir="noarch")
    site.channel.add("old", "2.0", "0", ["python"], subdir="noarch")
    made = site.take("dependencies: [python=3.12, old=1.0]\n", platforms=("linux-64", "osx-arm64"))
    assert dependencies(made) == ["python 3.12.*", "old"]


def test_only_pins_without_a_solution_are_loosened(site):
    """numpy 1.26 exists, for this python too; only six 1.17 cannot be had with old-six."""
    site.channel.add("old-app", "1.0", "0", ["python", "numpy >=2"], subdir="linux-64")
    made = site.take("dependencies: [python=3.12, numpy==1.26, libblas==3.9, old-app]\n")
    assert dependencies(made) == ["python 3.12.*", "libblas ==3.9", "numpy", "old-app"]
    assert noted(made, "environment.yml:1", "`numpy==1.26` -> `numpy`", "with ==1.26 there is no solution")


def test_import_without_a_solution_writes_nothing_and_reports_everything(site):
    site.channel.add("old-app", "1.0", "0", ["python 3.13.*"], subdir="linux-64")
    with pytest.raises(ImportFailed) as failed:
        site.take("channels: [defaults]\ndependencies: [python=3.12, old-app]\n")
    text = str(failed.value)
    assert "error unsolvable" in text and "solvable without `old-app`" in text
    assert "channel defaults" in text and "  - python 3.12.*" in text and str(site.folder / "envs/train.yml") in text
    assert not list((site.folder / "envs").rglob("*.y*ml")) and "lockstep-import-" not in text


def test_another_python_must_be_requested(site):
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
