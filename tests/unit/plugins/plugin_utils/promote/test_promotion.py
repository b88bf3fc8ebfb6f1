"""Promotion: the same bytes, check mode, smoke tests, warnings, refusals."""

from __future__ import annotations

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import promotion
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import HostOf, promote

from tests.support.promotion_samples import NOW, P, Site, digest, result, text, told


def test_promotion_copies_the_lock_with_provenance_and_keeps_the_previous(site: Site) -> None:
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and [outcome.env for outcome in made.outcomes] == ["serve", "train"]
    assert site.has("test") == site.has("dev") == site.new
    assert site.has("test", previous=True) == site.old and site.has("prod") == site.old
    known = site.provenance_of("test")
    assert known is not None
    assert known["lock"]["digests"] == {P: digest(site.new)}
    assert known["promotion"]["from"] == "dev" and known["promotion"]["hosts"] == {P: 2}
    assert known["promotion"]["report"]["depth"] == "stats" and known["promotion"]["report"]["run"] == "run-1"
    assert known["rollback"] is None and not provenance.demoted(known)
    assert "  ~ zlib 1.3 -> 1.4" in made.outcomes[1].difference


def test_promotion_moves_the_smoke_test_with_its_lock(site: Site) -> None:
    site.test("dev", "import new\n")
    site.test("test", "import old\n")
    made = promote(site.settings(), NOW, write=True)
    assert "! smoke test changed" in next(o for o in made.outcomes if o.env == "train").difference
    assert site.has_test("test") == "import new\n" and site.has_test("test", previous=True) == "import old\n"
    assert site.has_test("test", "serve") is None
    assert not any(outcome.changed for outcome in promote(site.settings(), NOW, write=True).outcomes)


def test_promotion_of_a_changed_smoke_test_alone(site: Site) -> None:
    site.test("dev", "import new\n")
    promote(site.settings(), NOW, write=True)
    site.test("dev", None)
    made = promote(site.settings(), NOW, write=True)
    assert [(o.env, o.difference) for o in made.outcomes if o.changed] == [("train", ["! smoke test removed"])]
    assert site.has_test("test") is None
    assert site.has("test", previous=True) == site.old, "the lock that test had before is still the one before"


def test_promotion_of_a_lock_altered_since_its_own_is_refused(site: Site) -> None:
    site.test("dev", "import new\n")
    assert not promote(site.settings(), NOW, write=True).refusals
    site.test("test", "print('passed')\n")
    assert site.provenance_of("test") is None and digest(site.has("test") or "") == digest(site.new)
    site.write(site.audit())
    assert (
        "train: the lock of test is not the one that its provenance names: one of the two files was altered -> restore "
        "both from version control, or promote it to test again"
    ) in told(site, former="test", latter="prod", envs=("train",))
    assert not promote(site.settings(), NOW, write=True).refusals
    assert site.has_test("test") == "import new\n" and site.provenance_of("test")
    site.write(site.audit())
    assert not promote(site.settings("test", "prod", envs=("train",)), NOW, write=True).refusals
    assert site.has("prod") == site.has("dev")


def test_check_mode_reports_changes_and_writes_nothing(site: Site) -> None:
    before = site.files()
    made = promote(site.settings(), NOW, write=False)
    assert not made.refusals and all(outcome.changed and outcome.difference for outcome in made.outcomes)
    assert site.files() == before


def test_promoted_lock_needs_no_report_again(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    after = site.files()
    site.report.unlink()
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and not any(outcome.changed for outcome in made.outcomes) and site.files() == after


def test_lock_copied_by_hand_gets_provenance_from_a_report(site: Site) -> None:
    site.put("test", "train", site.new)
    site.put("test", "serve", site.new)
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and site.provenance_of("test") and site.has("test", previous=True) is None


def test_promotion_of_one_environment_ignores_drift_of_others(site: Site) -> None:
    report = site.audit()
    result(report, "dev-1")["envs"]["serve"]["verdict"] = "drift"
    result(report, "dev-1")["verdict"] = "drift"
    result(report, "dev-1")["drift"] = [{"subject": "serve", "detail": "x is missing"}]
    site.write(report)
    made = promote(site.settings(envs=("train",)), NOW, write=True)
    assert not made.refusals and site.has("test", "serve") == site.old and site.has("test") == site.new


def test_platform_of_the_next_tier_only_is_a_warning(site: Site) -> None:
    both = text("1.4", (P, "linux-aarch64"))
    site.put("dev", "train", both)
    report = site.audit()
    result(report, "test-1")["platform"] = "linux-aarch64"
    site.write(report)
    made = promote(site.settings(envs=("train",)), NOW, write=False)
    assert not made.refusals and "test-1 is linux-aarch64, but no host of dev is" in made.warnings[0]


def test_environment_that_the_former_tier_lacks_is_a_warning(site: Site) -> None:
    site.hosts["test-1"] = HostOf("test", ("train", "serve", "notebook"))
    made = promote(site.settings(), NOW, write=False)
    assert (
        not made.refusals
        and "notebook is not promoted: it is declared for test, but for no host of dev" in made.warnings[0]
    )


def test_desired_state_ignores_previous_locks(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    env = desired_state.read_env(site.locks / "test" / "train.conda-lock.yml", "train", ["conda-forge"], None)
    assert env.platforms[P].digest == digest(site.new)


@pytest.mark.parametrize(
    ("former", "latter", "words", "remedy"),
    [
        ("dev", "prod", "dev to prod: a lock goes from a tier to the next one: dev -> test -> prod", "promote to test"),
        ("test", "dev", "a tier to the next one", "promote to prod first"),
        ("prod", "dev", "a tier to the next one", "prod is the last tier"),
        ("dev", "dev", "a tier to the next one", "promote to test first"),
        ("dve", "test", "dve: it is not a tier of this fleet", "name two of dev -> test -> prod"),
        ("", "", "a tier: it is not named", "-e from=... -e to=..."),
    ],
)
def test_promotion_between_wrong_tiers_is_refused(
    site: Site, former: str, latter: str, words: str, remedy: str
) -> None:
    said = told(site, former=former, latter=latter)
    assert words in said and remedy in said


def test_missing_lock_is_refused(site: Site) -> None:
    (site.locks / "dev/train.conda-lock.yml").unlink()
    said = told(site)
    assert "train: dev has no lock of it (dev/train.conda-lock.yml) -> make it with playbooks/lock.yml" in said
    (site.locks / "test/train.conda-lock.yml").unlink()
    assert "promote it to test first" in told(site, former="test", latter="prod")


def test_altered_lock_is_refused(site: Site) -> None:
    site.put("dev", "train", site.new.replace("zlib", "zlab"))
    assert "train: the lock of dev is not acceptable: " in told(site)


def test_lock_with_a_channel_that_is_not_allowed_is_refused(site: Site) -> None:
    said = told(site, channels=("bioconda",))
    assert "channel conda-forge is not one of the allowed ones" in said


def test_environment_name_with_a_path_is_refused(site: Site) -> None:
    assert "../x: not a valid environment name" in told(site, envs=("../x",))


def test_many_refusals_are_shortened_with_a_count(site: Site) -> None:
    site.hosts.update({f"dev-{n}": HostOf("dev", ("train",)) for n in range(10, 100)})
    said = told(site)
    assert said.count("\n") == 21 and said.endswith("and 70 more")


def test_summary_lines_name_digest_and_hosts(site: Site) -> None:
    made = promote(site.settings(), NOW, write=True)
    shown = promotion.lines(site.settings(), made.outcomes[1])
    assert shown == [f"train        linux-64       {digest(site.new)[:12]}  held by 2 hosts of dev  (changed)"]
