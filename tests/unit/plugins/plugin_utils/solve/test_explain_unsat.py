"""Why there is no solution, and which change helps."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve import explain_unsat
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.conda_solver import ChannelUnreadable

from tests.support.lock_site import explained
from tests.support.small_channel import SmallChannel


def test_explanation_names_the_change_that_helps(site):
    site.spec("python 3.13.*", "numpy")
    text = explained(site)
    assert "solvable with `python` in place of `python 3.13.*` (then python 3.12.1)" in text
    assert "solvable without `numpy`" in text and "__glibc=2.28" in text and "solver: " in text
    site.spec("torch-like ==2.0=cuda*")
    assert "solvable with cuda 12.9 in place of 12.8 in the system requirements (then cuda-version 12.9)" in explained(
        site, system_requirements={"cuda": "12.8"}
    )
    site.spec("new-glibc")
    assert "solvable with glibc 2.35 in place of 2.28 in the system requirements" in explained(site)
    site.spec("numpy ==2.0")
    text = explained(site, exclude_newer="2024-01-20")
    assert "solvable without lockstep_exclude_newer" in text
    assert (
        "(lockstep_system_requirements), no package newer than 2024-01-20T00:00:00Z (lockstep_exclude_newer); found"
        in text
    )


def test_explanation_names_several_impossible_entries(site):
    site.spec("numpy ==9", "six ==9", "python")
    text = explained(site)
    assert "not available even alone: `numpy ==9`, `six ==9`" in text and "train.yml:2:5: " in text
    assert "name one build" not in text


def test_explanation_names_pairs_of_contradicting_entries(site):
    for name in ("a", "b"):
        for version in ("1", "2"):
            site.channel.add(f"base-{name}", version)
            site.channel.add(f"upon-{name}", version, depends=[f"base-{name} {version}"])
    site.spec("six", "base-a 1", "upon-a 2", "base-b 2", "upon-b 1")
    text = explained(site)
    assert "no single change makes it solvable; it is with any version of `upon-a 2`, `upon-b 1` together" in text
    assert "train.yml:4:5: " in text
    site.channel.add("never-a", depends=["base-a >3"]).add("never-b", depends=["base-b >3"])
    site.channel.add("base-a", "4", depends=["six 1"]).add("base-b", "4", depends=["six 1"])
    site.spec("six", "never-a", "never-b")
    assert "not available even alone: `never-a`, `never-b`" in explained(site)


def test_explanation_names_packages_that_exclude_each_other(site):
    for name, other in (("a", "b"), ("c", "d")):
        site.channel.add(name, depends=["x-" + name + " 1"]).add(other, depends=["x-" + name + " 2"])
        site.channel.add("x-" + name, "1").add("x-" + name, "2")
    site.spec("a", "b", "c", "d")
    assert "no single change makes it solvable; it is without `b`, `d` together" in explained(site)


def test_platforms_with_the_same_reason_share_an_explanation(site):
    site.spec("python", "six ==9")
    text = explained(site, platforms=("osx-arm64", "linux-64"))
    assert "no solution for linux-64, osx-arm64; found by trying" in text, "they have no virtual package in common"
    text = explained(site, platforms=("linux-64",))
    assert (
        "no solution for linux-64, assuming __linux=4.18, __glibc=2.28, __archspec=1=x86_64 "
        "(lockstep_system_requirements)" in text
    )


def test_explanation_mentions_builds_of_an_export(site):
    site.spec("python=3.12.1=h5eee18b_0", "numpy=2.0=py312hf6e8229_1", "six")
    text = explained(site)
    assert "even alone: `python=3.12.1=h5eee18b_0`, `numpy" in text and "2 of those name one build" in text


def test_explanation_names_channels_not_urls(site):
    SmallChannel(site.channel.folder, "ml").add("own", "1.0")
    site.spec("conda-forge::numpy ==9", "python")
    text = explained(site, channels=("ml", "conda-forge"))
    assert "solvable with `numpy` in place of `conda-forge::numpy ==9`" in text and "file://" not in text


def test_explanation_stops_at_its_time_limit(site, monkeypatch):
    monkeypatch.setattr(explain_unsat, "_PATIENCE", 0.0)
    site.spec("numpy ==9", "python")
    assert "were not tried: time limit reached" in explained(site)


def test_explanation_survives_a_failing_channel(site, monkeypatch):
    async def gone(*_):
        raise ChannelUnreadable("gone away")

    monkeypatch.setattr(explain_unsat, "_attempts", gone)
    site.spec("numpy ==9", "python")
    assert "no hints: gone away" in explained(site)
