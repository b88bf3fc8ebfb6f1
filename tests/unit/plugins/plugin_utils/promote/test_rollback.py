"""Rollback: to what is kept and back again, from what hosts wrote down, after kills; and what a report says of it."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.modules.env_info import find
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import render, report
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, Package
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance, transaction
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import rollback
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import HostOf, promote
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.rollback import RollbackError, inspect, rebuild

from tests.support.altered import altered
from tests.support.fake_root import plan_of
from tests.support.kills import Killed, kill_at
from tests.support.lock_samples import lock, package
from tests.support.promotion_samples import NOW, P, Site, digest, text

MIRROR = "https://mirror.example/conda"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose test tier was promoted from old to new."""
    made = Site(tmp_path)
    assert not promote(made.settings(), NOW, write=True).refusals
    return made


def settings(site: Site, **other: Any) -> rollback.Settings:
    values: dict[str, Any] = {
        "locks_dir": site.locks, "tiers": ("dev", "test", "prod"), "tier": "test", "env": "train",
        "hosts": site.hosts, "channels": ("conda-forge",), "reason": "loss diverges",
    }  # fmt: skip
    return rollback.Settings(**values | other)


def back(site: Site, write: bool = True, records: Any = None, **other: Any) -> rollback.Declared:
    asked = settings(site, **other)
    inspected = inspect(asked)
    target, rebuilt = inspected.target, inspected.source == "hosts"
    if rebuilt:
        target, _ = rebuild(asked, inspected, records or {})
    assert target is not None
    return rollback.declare(asked, inspected, target, rebuilt, NOW, write)


def record(data: str, platform: str = P, alias: str = "https://conda.anaconda.org", **changes: Any) -> dict[str, Any]:
    """What module env_info returns of a host that was given this lock."""
    made = lockfile.plan(Lock.loads(data, "x"), "train", platform, channel_alias=alias).to_json() | changes
    packed = base64.b64encode(zlib.compress(json.dumps(made).encode())).decode()
    return {"platform": platform, "generation": made["digest"][:12], "plan": packed}


# --- to what is kept, and back ----------------------------------------------------------------------------------------


def test_rollback_and_its_reversal_swap_the_locks(site: Site) -> None:
    first = back(site)
    assert first.changed and not first.returns and site.has("test") == site.old
    assert site.has("test", previous=True) == site.new and "  ~ zlib 1.4 -> 1.3" in first.difference
    known = site.provenance_of("test")
    assert known and provenance.demoted(known) and known["promotion"] is None
    assert known["rollback"]["reason"] == "loss diverges" and known["rollback"]["at"].startswith("2026-05-04T12:00")
    assert known["rollback"]["left"]["digests"] == {P: digest(site.new)}

    second = back(site, reason="it was the data")
    assert second.returns and site.has("test") == site.new and site.has("test", previous=True) == site.old
    known = site.provenance_of("test")
    assert known and not provenance.demoted(known) and known["promotion"]["from"] == "dev", "its provenance is kept"

    third = back(site)
    assert not third.returns and site.has("test") == site.old and provenance.demoted(site.provenance_of("test"))


def test_rollback_restores_the_smoke_test_of_the_lock(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.test("dev", "import new\n")
    site.test("test", "import old\n")
    assert not promote(site.settings(), NOW, write=True).refusals
    back(site)
    assert (site.has_test("test"), site.has_test("test", previous=True)) == ("import old\n", "import new\n")
    back(site)
    assert (site.has_test("test"), site.has_test("test", previous=True)) == ("import new\n", "import old\n")


def test_smoke_test_of_a_hosts_record_is_never_declared(site: Site) -> None:
    """A smoke test is a program, so one that a host's record holds is not declared for all hosts of the tier."""
    (site.locks / provenance.lock_path("test", "train", True)).unlink()
    site.test("test", "import new\n")
    asked = settings(site, env="train")
    inspected = inspect(asked)
    target, lost = rebuild(asked, inspected, {"test-1": record(site.old, smoke="import evil")})
    assert any("the smoke test that its builds ran is not taken from hosts" in line for line in lost)
    rollback.declare(asked, inspected, target, True, NOW, True)
    assert site.has_test("test") is None and site.has_test("test", previous=True) == "import new\n"


def test_check_mode_writes_nothing(site: Site) -> None:
    before = site.files()
    assert back(site, write=False).difference and site.files() == before


def test_rollback_changes_only_its_environment_and_tier(site: Site) -> None:
    before = site.files()
    back(site)
    changed = {name for name, data in site.files().items() if before.get(name) != data}
    assert changed <= {f"test/{folder}train{end}" for folder in ("", "previous/")
                       for end in (".conda-lock.yml", ".provenance.json")}  # fmt: skip


def test_lock_that_was_rolled_back_is_not_promoted_again(site: Site) -> None:
    back(site)
    before = site.files()
    made = promote(site.settings(), NOW, write=True)
    assert site.files() == before and [str(refusal) for refusal in made.refusals] == [
        "train: test was rolled back from this very lock on 2026-05-04: loss diverges -> lock a better one; or return "
        "to it: playbooks/rollback.yml -e env=train -e tier=test"
    ]


def test_another_smoke_test_makes_no_better_lock(site: Site) -> None:
    back(site)
    site.test("dev", "import new\n")
    before = site.files()
    made = promote(site.settings(), NOW, write=True)
    assert site.files() == before and [str(refusal) for refusal in made.refusals] == [
        "train: test was rolled back from the packages of this lock on 2026-05-04: loss diverges -> lock a better one; "
        "or return to it: playbooks/rollback.yml -e env=train -e tier=test"
    ]
    assert back(site).returns and not promote(site.settings(), NOW, write=True).refusals
    assert site.has_test("test") == "import new\n" and site.has("test", previous=True) == site.old


def test_newer_lock_is_promoted_after_a_rollback(site: Site) -> None:
    back(site)
    better = text("1.5")
    site.put("dev", "train", better)
    site.write(site.audit())
    assert not promote(site.settings(), NOW, write=True).refusals
    assert site.has("test") == better and site.has("test", previous=True) == site.old
    known = site.provenance_of("test")
    assert known and known["rollback"] is None and known["promotion"]["from"] == "dev"


def test_rollback_to_a_digest_is_idempotent(site: Site) -> None:
    to = (digest(site.old)[:12],)
    assert back(site, to=to).changed
    after = site.files()
    assert not back(site, to=to).changed and site.files() == after


# --- from the hosts' records ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alias", ["https://conda.anaconda.org", MIRROR])
def test_lock_is_rebuilt_from_the_install_plans_of_hosts(site: Site, alias: str) -> None:
    asked = settings(site, tier="dev", channel_alias=alias)
    inspected = inspect(asked)
    assert inspected.source == "hosts" and inspected.hosts == ["dev-1", "dev-2"]
    records = {host: record(site.old, alias=alias) for host in inspected.hosts}
    made = back(site, tier="dev", channel_alias=alias, records=records)
    assert site.has("dev") == site.old, "even the same bytes, here"
    assert made.digests == {P: digest(site.old)} and site.has("dev", previous=True) == site.new
    known = site.provenance_of("dev")
    assert known and known["rollback"]["rebuilt"]
    assert back(site, tier="dev").returns and site.has("dev") == site.new


def test_kept_lock_is_not_the_previous_one_after_a_newer_lock_in_the_first_tier(site: Site) -> None:
    """The bad one is left for the old one, then a better one is locked: before that, hosts know, was the old one."""
    asked = settings(site, tier="dev")
    back(site, tier="dev", records={host: record(site.old) for host in ("dev-1", "dev-2")})
    assert site.has("dev", previous=True) == site.new and inspect(asked).source == "kept"
    site.put("dev", "train", text("1.5"))
    inspected = inspect(asked)
    assert (
        inspected.source == "hosts"
        and inspected.why == "the environment was locked again since the previous lock was kept"
    )
    back(site, tier="dev", records={host: record(site.old) for host in ("dev-1", "dev-2")})
    assert site.has("dev") == site.old and site.has("dev", previous=True) == text("1.5")
    site.put("dev", "train", text("1.6"))
    named = inspect(settings(site, tier="dev", to=(digest(text("1.5"))[:12],)))
    assert named.source == "kept" and named.target == text("1.5").encode(), "unless it is the one that is meant"


def test_lock_of_several_platforms_is_rebuilt(tmp_path: Path) -> None:
    site = Site(tmp_path)
    data = text("1.2", (P, "linux-aarch64"))
    records = {"dev-1": record(data), "dev-2": record(data, "linux-aarch64")}
    back(site, tier="dev", records=records)
    assert site.has("dev") == data


def test_rebuilt_lock_reports_missing_platforms_and_hosts(site: Site) -> None:
    site.put("dev", "train", text("1.4", (P, "osx-arm64")))
    asked = settings(site, tier="dev")
    _, lost = rebuild(asked, inspect(asked), {"dev-1": record(site.old)})
    assert any("no longer locked for osx-arm64" in line for line in lost)
    assert any("1 hosts did not answer (dev-2)" in line for line in lost)


def test_rebuilt_lock_takes_settings_from_the_current_lock(site: Site) -> None:
    custom = {"exclude_newer": '"2026-03-01T00:00:00Z"', "system_requirements": '{"glibc":"2.28"}'}
    site.put("dev", "train", replace(Lock.loads(text("1.4"), "x"), custom=custom).dumps())
    asked = settings(site, tier="dev")
    data, lost = rebuild(asked, inspect(asked), {host: record(site.old) for host in ("dev-1", "dev-2")})
    made = Lock.loads(data.decode(), "x")
    assert made.value("exclude_newer") == "2026-03-01T00:00:00Z" and made.value("system_requirements") == {
        "glibc": "2.28"
    }
    assert [line.split(": ")[0] for line in lost] == [
        "the records do not hold the system requirements",
        "the records do not hold the cut-off date (exclude_newer)",
    ]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({}, "there is nothing to go back to: no previous lock is kept beside the tier's, and no host has a record of "
             "another generation (2 of 2 hosts did not answer); restore the lock from version control"),
        ({"dev-1": {"platform": P, "plan": ""}, "dev-2": {"platform": P, "plan": ""}}, "(2 hosts answered)"),
        ({"dev-1": {"platform": P, "plan": "AAAA"}}, "there is nothing to go back to"),
        ({"dev-1": ["x"], "dev-2": {"plan": 3}}, "there is nothing to go back to"),
        ({"dev-1": record(text("1.2")), "dev-2": record(text("1.1"))}, "held different train before"),
        ({"dev-1": record(text("1.2")), "dev-2": {"platform": "linux-aarch64", "plan": ""}},
         "no linux-aarch64 host of dev has a record of another train (dev-2)"),
        ({"dev-1": record(text("1.2"), digest="0" * 64)}, "there is nothing to go back to"),
        ({"dev-1": record(text("1.2"), name="serve")}, "there is nothing to go back to"),
    ],
)  # fmt: skip
def test_missing_or_contradictory_records_are_refused(site: Site, records: Any, words: str) -> None:
    asked, before = settings(site, tier="dev"), site.files()
    with pytest.raises(RollbackError) as caught:
        rebuild(asked, inspect(asked), records)
    assert words in str(caught.value) and site.files() == before


def test_error_about_different_records_names_the_remedy(site: Site) -> None:
    one, two = text("1.2"), text("1.1")
    asked = settings(site, tier="dev")
    with pytest.raises(RollbackError, match=r"-e to=[0-9a-f]{12}"):
        rebuild(asked, inspect(asked), {"dev-1": record(one), "dev-2": record(two)})
    back(site, tier="dev", to=(digest(one)[:12],), records={"dev-1": record(one), "dev-2": record(one)})
    assert site.has("dev") == one


def test_rebuilt_lock_has_the_wheels_of_the_record(site: Site) -> None:
    wheel = Package("pip", "x", P, "1", "", "https://pip.example/x-1-py3-none-any.whl", "", "ab" * 32)
    old = Lock.loads(site.old, "x")
    python = package("python", "3.12.1", "h1_0_cp312", P)
    with_wheel = replace(old, packages=(*old.packages, python, wheel)).dumps()
    asked = settings(site, tier="dev")
    made, _ = rebuild(asked, inspect(asked), {"dev-1": record(with_wheel)})
    assert wheel in Lock.loads(made.decode(), "made").packages


def test_record_with_a_channel_that_is_not_allowed_is_refused(site: Site) -> None:
    other = lock(package(url="https://conda.anaconda.org/bioconda/linux-64/zlib-1.3-h1_0.conda"),
                 channels=("bioconda",)).dumps()  # fmt: skip
    asked = settings(site, tier="dev")
    with pytest.raises(RollbackError, match="is not one of the allowed ones"):
        rebuild(asked, inspect(asked), {"dev-1": record(other)})


def test_env_info_finds_the_previous_generation(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.prepare()
    (tmp_path / "generations/train").mkdir()
    plans = [plan_of([("a", version, "0")]) for version in ("1", "2", "3", "4")]
    names = [plan.generation for plan in plans]
    for plan in plans[:3]:
        store.keep(plan, plan.generation)
    history = [*names, names[2]]
    store.write_state("train.json", [[name, 1.0 * at] for at, name in enumerate(history)])
    assert find(store, "train", names[2], []) == names[1], "the fourth is newer, and its plan is not kept"
    assert find(store, "train", "", []) == names[2]
    assert (
        find(store, "train", names[2], [plans[0].digest]) == find(store, "train", names[2], [names[0][:8]]) == names[0]
    )
    assert find(store, "train", names[2], ["ffffffff"]) == find(store, "serve", "", []) == ""


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tier": "staging"}, "staging is not a tier; name one of dev, test, prod"),
        ({"tier": ""}, "no tier is named"),
        ({"env": ""}, "name one environment"),
        ({"env": "../train"}, "name one environment"),
        ({"to": ("xyz",)}, "first 8 or more digits"),
        ({"env": "notebook"}, "no host of test is declared to hold notebook"),
    ],
)
def test_invalid_rollback_settings_are_refused(site: Site, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(RollbackError, match=words.replace("(", r"\(")):
        inspect(settings(site, **wrong))


def test_altered_previous_lock_is_not_used(site: Site) -> None:
    kept = site.locks / provenance.lock_path("test", "train", True)
    kept.write_text(kept.read_text().replace("zlib", "zlab"))
    inspected = inspect(settings(site))
    assert inspected.source == "hosts" and "is not valid" in inspected.why


def test_lock_that_changed_after_the_inspection_is_not_replaced(site: Site) -> None:
    asked = settings(site)
    inspected = inspect(asked)
    site.put("test", "train", text("1.9"))
    assert inspected.target
    with pytest.raises(transaction.TransactionError, match="was changed while this ran"):
        rollback.declare(asked, inspected, inspected.target, False, NOW, True)


def test_rollback_killed_at_any_step_is_completed_once(tmp_path: Path) -> None:
    begun = 0
    for moment in range(1, 20):
        site = Site(tmp_path / str(moment))
        promote(site.settings(), NOW, write=True)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, moment)
            try:
                back(site)
                break
            except Killed:
                pass
        begun += (site.locks / transaction.JOURNAL).exists()
        back(site)
        assert site.has("test") == site.old and site.has("test", previous=True) == site.new, moment
        assert provenance.demoted(site.provenance_of("test"))
    assert begun >= 4 and moment < 19


# --- a report says it -------------------------------------------------------------------------------------------------


def test_report_names_a_tier_that_was_rolled_back(site: Site) -> None:
    assert provenance.rollbacks(site.locks, ["dev", "test", "prod"], ["train", "serve"]) == []
    back(site)
    found = provenance.rollbacks(site.locks, ["dev", "test", "prod"], ["train", "serve"])
    assert [(item["tier"], item["env"], item["reason"]) for item in found] == [("test", "train", "loss diverges")]
    run = report.Run("r", NOW.isoformat(), "stats", ["dev", "test", "prod"], {}, rollbacks=found)
    made = report.build([], run)
    assert made["rollbacks"] == found
    to, left = digest(site.old)[:12], digest(site.new)[:12]
    line = f"rolled back: train in test, 2026-05-04, to {to} from {left}: loss diverges"
    assert line in render.render_terminal(made) and "loss diverges" in render.render_html(made)
    site.put("test", "train", text("3.0"))
    assert provenance.rollbacks(site.locks, ["test"], ["train"]) == [], "another lock came since"


@pytest.mark.parametrize("value", [None, "", "x", 3, True, [], ["x"], {}, {"x": 1}, "\x1b[31m\n"], ids=repr)
def test_provenance_with_any_value_replaced_breaks_no_report(site: Site, value: Any) -> None:
    """Provenance is a file in a repository: merged by hand, it must not keep an audit from its report."""
    back(site)
    path = site.locks / provenance.path("test", "train")
    for wrong in altered(json.loads(path.read_text()), value):
        path.write_text(json.dumps(wrong))
        for item in provenance.rollbacks(site.locks, ["test"], ["train"]):
            assert "\x1b" not in render.rollback_line(item)
        made = promote(site.settings(), NOW, write=False)
        assert made.refusals or made.outcomes
        inspected = inspect(settings(site))
        if inspected.target:
            rollback.declare(settings(site), inspected, inspected.target, False, NOW, write=False)


def test_rollback_asks_only_hosts_that_hold_the_environment(site: Site) -> None:
    site.hosts["test-2"] = HostOf("test", ("serve",))
    assert inspect(settings(site)).hosts == ["test-1"]
