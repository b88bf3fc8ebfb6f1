"""Any dependencies in a spec: a lock that can be trusted, or errors."""

from __future__ import annotations

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hostile import HOSTILE, check_lock
from tests.support.small_channel import usual


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    usual(folder / "channels")
    (folder / "envs").mkdir()
    return Settings(
        folder / "envs",
        folder / "locks",
        "dev",
        repodata_alias=str(folder / "channels"),
        platforms=("linux-64", "osx-arm64"),
        cache=folder / "cache",
        system_requirements={"cuda": "12.8"},
    )


ASKED = ["python", "python 3.12.*", "numpy <2", "numpy=2", "six", "torch-like", "torch-like=*=cpu*",
         "cuda-version 12.9",
         "arrow-like", "new-glibc", "fast", "numpi", "python=3.12.1=h1_0_cpython", "conda-forge::six", "__cuda >=12",
         "six ==9", "libblas * *openblas", "numpy >=1,!=1.26", "python 3.12"]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(ASKED) | st.sampled_from(HOSTILE), min_size=1, max_size=5), st.booleans())
def test_any_dependencies_give_a_sound_lock_or_errors(site, lines, write):
    """Whatever is asked for comes to a lock that can be trusted, or to errors, each of them understandable."""
    text = "dependencies:\n" + "".join("  - '" + line.replace("'", "''") + "'\n" for line in lines)
    (site.envs_dir / "x.yml").write_text(text)
    (outcome,) = run(site, write=write)
    assert bool(outcome.new_text) != any(f.code != "fuzzy-pin" for f in found.errors(outcome.findings))
    assert all(finding.message and finding.remedy for finding in outcome.findings)
    if outcome.new_text:
        check_lock(outcome.new_text, must_be_read=True)
