"""Promotion: each refusal with its host, reason and remedy; the same bytes; evidence; kills between any two writes."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance, transaction
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import audit_gate, promotion
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import HostOf, promote, refusal_message

from tests.support.promotion_samples import NOW, P, Site, digest, text


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def result(report: dict[str, Any], host: str) -> Any:
    return next(item for item in report["results"] if item["host"] == host)


def told(site: Site, **settings: Any) -> str:
    """Promote, which must be refused and change nothing; what a person reads."""
    before = site.files()
    made = promote(site.settings(**settings), NOW, write=True)
    assert made.refusals and site.files() == before
    for refusal in made.refusals:
        assert refusal.subject and refusal.why and len(refusal.remedy) > 10, refusal
    return refusal_message(made.refusals, "promotion")


# --- what is allowed --------------------------------------------------------------------------------------------------


def test_the_same_bytes_with_evidence_and_what_was_there_before(site: Site) -> None:
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and [outcome.env for outcome in made.outcomes] == ["serve", "train"]
    assert site.has("test") == site.has("dev") == site.new
    assert site.has("test", previous=True) == site.old and site.has("prod") == site.old
    known = site.evidence("test")
    assert known is not None
    assert known["lock"]["digests"] == {P: digest(site.new)}
    assert known["promotion"]["from"] == "dev" and known["promotion"]["hosts"] == {P: 2}
    assert known["promotion"]["report"]["depth"] == "stats" and known["promotion"]["report"]["run"] == "run-1"
    assert known["rollback"] is None and not provenance.demoted(known)
    assert "  ~ zlib 1.3 -> 1.4" in made.outcomes[1].difference


def test_the_smoke_test_goes_with_its_lock(site: Site) -> None:
    site.test("dev", "import new\n")
    site.test("test", "import old\n")
    made = promote(site.settings(), NOW, write=True)
    assert "! smoke test changed" in next(o for o in made.outcomes if o.env == "train").difference
    assert site.has_test("test") == "import new\n" and site.has_test("test", previous=True) == "import old\n"
    assert site.has_test("test", "serve") is None
    assert not any(outcome.changed for outcome in promote(site.settings(), NOW, write=True).outcomes)


def test_a_smoke_test_that_alone_changed_goes_on_too(site: Site) -> None:
    site.test("dev", "import new\n")
    promote(site.settings(), NOW, write=True)
    site.test("dev", None)
    made = promote(site.settings(), NOW, write=True)
    assert [(o.env, o.difference) for o in made.outcomes if o.changed] == [("train", ["! smoke test removed"])]
    assert site.has_test("test") is None
    assert site.has("test", previous=True) == site.old, "the lock that test had before is still the one before"


def test_evidence_is_the_same_again_and_names_no_host_or_path(site: Site, tmp_path: Path) -> None:
    promote(site.settings(), NOW, write=True)
    first = site.files()
    other = Site(tmp_path / "other")
    promote(other.settings(), NOW + datetime.timedelta(hours=3), write=True)
    assert other.files() == first
    shown = first["test/train.provenance.json"].decode()
    assert "dev-1" not in shown and str(tmp_path) not in shown


def test_check_mode_tells_and_writes_nothing(site: Site) -> None:
    before = site.files()
    made = promote(site.settings(), NOW, write=False)
    assert not made.refusals and all(outcome.changed and outcome.difference for outcome in made.outcomes)
    assert site.files() == before


def test_what_is_there_already_needs_no_proof(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    after = site.files()
    site.report.unlink()
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and not any(outcome.changed for outcome in made.outcomes) and site.files() == after


def test_a_lock_copied_by_hand_gets_evidence_by_proof_only(site: Site) -> None:
    site.put("test", "train", site.new)
    site.put("test", "serve", site.new)
    made = promote(site.settings(), NOW, write=True)
    assert not made.refusals and site.evidence("test") and site.has("test", previous=True) is None


def test_one_environment_alone(site: Site) -> None:
    report = site.audit()
    result(report, "dev-1")["envs"]["serve"]["verdict"] = "drift"
    result(report, "dev-1")["verdict"] = "drift"
    result(report, "dev-1")["drift"] = [{"subject": "serve", "detail": "x is missing"}]
    site.write(report)
    made = promote(site.settings(envs=("train",)), NOW, write=True)
    assert not made.refusals and site.has("test", "serve") == site.old and site.has("test") == site.new


def test_a_host_in_maintenance_is_not_counted(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="maintenance", maintenance={"reason": "new disk", "until": "2026-06-01"})
    result(report, "dev-2")["envs"]["train"]["verdict"] = "unknown"
    site.write(report)
    assert not promote(site.settings(), NOW, write=True).refusals
    known = site.evidence("test")
    assert known and known["promotion"]["hosts"] == {P: 1} and known["promotion"]["maintenance"] == 1


def test_other_tiers_may_differ(site: Site) -> None:
    report = site.audit()
    result(report, "prod-1").update(verdict="unknown", around="unknown")
    site.write(report | {"proven": False})
    assert not promote(site.settings(), NOW, write=False).refusals


def test_a_platform_that_only_the_next_tier_has_is_named(site: Site) -> None:
    both = text("1.4", (P, "linux-aarch64"))
    site.put("dev", "train", both)
    report = site.audit()
    result(report, "test-1")["platform"] = "linux-aarch64"
    site.write(report)
    made = promote(site.settings(envs=("train",)), NOW, write=False)
    assert not made.refusals and "test-1 is linux-aarch64, but no host of dev is" in made.warnings[0]


def test_an_environment_that_the_former_tier_lacks_is_named(site: Site) -> None:
    site.hosts["test-1"] = HostOf("test", ("train", "serve", "notebook"))
    made = promote(site.settings(), NOW, write=False)
    assert (
        not made.refusals
        and "notebook is not promoted: it is declared for test, but for no host of dev" in made.warnings[0]
    )


def test_nothing_takes_the_kept_files_for_a_tiers_lock(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    env = desired_state.read_env(site.locks / "test" / "train.conda-lock.yml", "train", ["conda-forge"], None)
    assert env.platforms[P].digest == digest(site.new)


# --- what is refused --------------------------------------------------------------------------------------------------


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
def test_tiers_in_a_wrong_order(site: Site, former: str, latter: str, words: str, remedy: str) -> None:
    said = told(site, former=former, latter=latter)
    assert words in said and remedy in said


def test_no_report(site: Site) -> None:
    site.report.unlink()
    said = told(site)
    assert "there is no audit report -> run playbooks/audit.yml" in said


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"at": (NOW - datetime.timedelta(hours=25)).isoformat()}, "it is 25.0 hours old; 24 are allowed",
         "lockstep_promote_max_age_hours"),
        ({"at": (NOW + datetime.timedelta(hours=1)).isoformat()}, "it is from the future", "set the clocks"),
        ({"hosts": {"audited": 4, "total": 9, "limited": True}}, "it leaves out 5 hosts",
         "without --limit"),
        ({"depth": "names"}, "depth names does not inspect enough", "at depth stats or hashes"),
    ],
)  # fmt: skip
def test_a_report_that_the_gate_refuses(site: Site, change: dict[str, Any], words: str, remedy: str) -> None:
    site.write(site.audit(**change))
    said = told(site)
    assert words in said and remedy in said


def test_a_depth_can_be_asked_for(site: Site) -> None:
    assert "-e depth=hashes" in told(site, depth="hashes")
    site.write(site.audit(depth="hashes"))
    assert not promote(site.settings(depth="hashes"), NOW, write=False).refusals


def drop(report: Any, key: str) -> Any:
    return {name: value for name, value in report.items() if name != key}


MALFORMED: dict[str, Callable[[Any], Any]] = {
    "not JSON": lambda r: "{",
    "nothing": lambda r: "",
    "a list": lambda r: [],
    "deep": lambda r: "[" * 100_000,
    "another schema": lambda r: r | {"schema": 2},
    "no results": lambda r: drop(r, "results"),
    "no time": lambda r: drop(r, "at"),
    "a time without zone": lambda r: r | {"at": "2026-05-04T11:00:00"},
    "a time that is none": lambda r: r | {"at": "yesterday"},
    "results of another kind": lambda r: r | {"results": ["dev-1"]},
    "a verdict of another kind": lambda r: r | {"results": [r["results"][0] | {"verdict": "fine"}]},
    "a host twice": lambda r: r | {"results": [*r["results"][:3], r["results"][0]]},
    "fewer hosts than it says": lambda r: r | {"results": r["results"][:3]},
    "unlimited with hosts left out": lambda r: r | {"hosts": {"audited": 4, "total": 9, "limited": False}},
    "maintenance without a reason": lambda r: r | {
        "results": [r["results"][0] | {"verdict": "maintenance"}, *r["results"][1:]]
    },
    "environments of another kind": lambda r: r | {"results": [r["results"][0] | {"envs": 3}, *r["results"][1:]]},
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_report(site: Site, what: str) -> None:
    site.write(MALFORMED[what](site.audit()))
    said = told(site)
    assert "it is not a report of this version" in said and "run playbooks/audit.yml again" in said


def altered(data: Any, odd: Any) -> Iterator[Any]:
    """The same data with one value after the other replaced."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        parts: list[Any] = [odd]
        if isinstance(value, (dict, list)):
            parts += altered(value, odd)
        for part in parts:
            if isinstance(data, dict):
                yield {**data, key: part}
            else:
                yield [*data[:key], part, *data[key + 1 :]]


@pytest.mark.parametrize("odd", [None, "", "parity", "maintenance", 3, -1, True, [], ["x"], {}, {"x": 1}], ids=repr)
def test_no_value_of_a_report_is_trusted(site: Site, odd: Any) -> None:
    """Whatever stands in a report: a pass or a refusal, never an exception, and never more hosts than there are."""
    good = site.audit()
    hosts = {name: host.envs for name, host in site.hosts.items() if host.tier == "dev"}
    locks = {env: {P: digest(site.new, env=env)} for env in ("train", "serve")}
    asked = audit_gate.Criteria("dev", hosts, locks, datetime.timedelta(hours=24))
    for report in altered(good, odd):
        site.write(report)
        try:
            found = audit_gate.evaluate(audit_gate.read(site.report), asked, NOW)
        except audit_gate.ReportError:
            continue
        if not found.refusals:
            assert found.held["train"].get(P, 0) + found.away.get("train", 0) == 2, report


def test_a_host_that_drifted(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="drift", drift=[{"subject": "train", "detail": "bin/x is missing"}])
    result(report, "dev-2")["envs"]["train"]["verdict"] = "drift"
    site.write(report)
    said = told(site)
    assert "dev-2: drift: train: bin/x is missing -> run site.yml --limit dev-2" in said and "dev-1" not in said


def test_a_host_whose_base_drifted(site: Site) -> None:
    report = site.audit()
    drift = [{"subject": "condarc", "detail": ".condarc differs"}]
    result(report, "dev-2").update(verdict="drift", around="drift", drift=drift)
    site.write(report)
    assert "dev-2: drift: condarc: .condarc differs" in told(site)


def test_a_host_of_which_nothing_is_known(site: Site) -> None:
    report = site.audit()
    drift = [{"subject": "host", "detail": "unreachable: timed out"}]
    result(report, "dev-1").update(verdict="unknown", around="unknown", drift=drift)
    for env in result(report, "dev-1")["envs"].values():
        env.update(verdict="unknown", digest="")
    site.write(report)
    said = told(site)
    assert "dev-1: unknown: host: unreachable: timed out -> make the host readable, or declare its maintenance" in said


def test_a_lock_that_was_made_after_the_audit(site: Site) -> None:
    newer = text("1.5")
    site.put("dev", "train", newer)
    said = told(site)
    held, now = digest(site.new)[:12], digest(newer)[:12]
    assert f"dev-1: train: it held {held} in the audit, but the lock of dev is now {now}" in said
    assert "run site.yml --limit dev-1, then audit again" in said


def test_a_host_that_the_report_does_not_know(site: Site) -> None:
    site.hosts["dev-3"] = HostOf("dev", ("train",))
    assert "dev-3: the report does not have it -> run playbooks/audit.yml again, of the whole fleet" in told(site)


def test_a_host_that_moved_between_tiers(site: Site) -> None:
    site.hosts["prod-1"] = HostOf("dev", ("train",))
    assert "prod-1: the report has it in prod tier" in told(site)


def test_a_host_that_should_hold_it_since_the_audit(site: Site) -> None:
    site.hosts["dev-2"] = HostOf("dev", ("train", "serve"))
    assert "dev-2: serve: the report was made before it was declared for this host" in told(site)


def test_a_host_that_only_the_report_knows(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="drift", around="drift", drift=[])
    site.write(report)
    del site.hosts["dev-2"]
    assert "dev-2: the report has it as not in parity, and the inventory no longer has this host" in told(site)


def test_a_platform_that_is_not_locked(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2")["platform"] = "linux-aarch64"
    site.write(report)
    assert "dev-2: train: the lock of dev has no packages for linux-aarch64 -> lock again for that platform" in told(site)


def test_all_hosts_in_maintenance(site: Site) -> None:
    report = site.audit()
    for host in ("dev-1", "dev-2"):
        result(report, host).update(verdict="maintenance", maintenance={"reason": "move", "until": "2026-06-01"})
    site.write(report)
    assert "train: all hosts of dev that should hold it are in maintenance" in told(site)


def test_no_hosts(site: Site) -> None:
    site.hosts = {"prod-1": HostOf("prod", ("train",))}
    site.write(site.audit())
    assert "dev: no host of this tier is declared to hold an environment" in told(site)
    assert "dev: the inventory has no host of this tier" in told(site, envs=("train",))


def test_an_environment_that_no_host_holds(site: Site) -> None:
    site.put("dev", "notebook", site.new)
    said = told(site, envs=("notebook", "train"))
    assert "notebook: no host of dev is declared to hold it, so no audit covers its lock" in said


def test_a_missing_lock(site: Site) -> None:
    (site.locks / "dev/train.conda-lock.yml").unlink()
    said = told(site)
    assert "train: dev has no lock of it (dev/train.conda-lock.yml) -> make it with playbooks/lock.yml" in said
    (site.locks / "test/train.conda-lock.yml").unlink()
    assert "promote it to test first" in told(site, former="test", latter="prod")


def test_a_lock_that_was_altered(site: Site) -> None:
    site.put("dev", "train", site.new.replace("zlib", "zlab"))
    assert "train: the lock of dev is not acceptable: " in told(site)


def test_a_channel_that_is_not_allowed(site: Site) -> None:
    said = told(site, channels=("bioconda",))
    assert "channel conda-forge is not one of the allowed ones" in said


def test_names_that_lead_elsewhere(site: Site) -> None:
    assert "../x: not a valid environment name" in told(site, envs=("../x",))


def test_no_folder_of_locks(site: Site, tmp_path: Path) -> None:
    with pytest.raises(transaction.TransactionError, match="lockstep_locks_dir"):
        promote(site.settings(locks_dir=tmp_path / "none"), NOW, write=True)


def test_many_refusals_are_counted(site: Site) -> None:
    site.hosts.update({f"dev-{n}": HostOf("dev", ("train",)) for n in range(10, 100)})
    said = told(site)
    assert said.count("\n") == 21 and said.endswith("and 70 more")


# --- all or nothing ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> list[int]:
    """End the run at a rename or unlink, before it takes place; counts them."""
    count = [0]

    def counted(done: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == moment:
                raise Killed
            return done(*arguments, **named)

        return inner

    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    return count


def test_killed_at_every_step_it_is_old_or_completed(tmp_path: Path) -> None:
    whole = Site(tmp_path / "whole")
    old = whole.files()
    promote(whole.settings(), NOW, write=True)
    new = whole.files()
    states = []
    for moment in range(1, 40):
        site = Site(tmp_path / str(moment))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, moment)
            try:
                promote(site.settings(), NOW, write=True)
                break
            except Killed:
                pass
        for tier in ("test",):
            for env in ("train", "serve"):
                assert site.has(tier, env) in (site.old, site.new), "half a lock"
        left = {name: data for name, data in site.files().items() if not name.endswith(".new")}
        begun = transaction.JOURNAL in left
        states.append(begun)
        assert begun or left == old
        again = promote(site.settings(), NOW, write=True)
        assert not again.refusals and bool(again.warnings) == begun
        assert {name: data for name, data in site.files().items() if not name.endswith(".new")} == new
    assert states[0] is False and states.count(True) == 7, "six files and the journal's end"


def test_a_killed_run_is_not_completed_over_what_was_changed_since(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            promote(site.settings(), NOW, write=True)
    site.put("test", "train", text("2.0"))
    with pytest.raises(transaction.TransactionError, match=r"was changed since; compare .* then remove .*unfinished"):
        promote(site.settings(), NOW, write=True)


@pytest.mark.parametrize("journal", ["", "[]", '{"schema": 1}', '{"schema":1,"about":{},"files":[{"path":"../x"}]}'])
def test_a_malformed_journal(site: Site, journal: str) -> None:
    (site.locks / transaction.JOURNAL).write_text(journal)
    with pytest.raises(transaction.TransactionError, match="malformed journal"):
        promote(site.settings(), NOW, write=True)


def test_one_at_a_time(site: Site) -> None:
    with (
        transaction.exclusive_lock(site.locks),
        pytest.raises(transaction.TransactionError, match="another run of lock, promote or rollback is active"),
    ):
        promote(site.settings(), NOW, write=True)


def test_a_change_meanwhile_is_seen(site: Site) -> None:
    change = transaction.Change("test/train.conda-lock.yml", b"something else", b"x")
    with pytest.raises(transaction.TransactionError, match="was changed while this ran"):
        transaction.apply(site.locks, [change], {})
    assert site.has("test") == site.old


# --- evidence ---------------------------------------------------------------------------------------------------------


def test_evidence_about_another_lock_counts_for_nothing(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    data = (site.locks / "test/train.provenance.json").read_bytes()
    assert provenance.loads(data, site.new.encode()) and not provenance.loads(data, site.old.encode())
    for wrong in (b"", b"[]", b"{}", b"null", json.dumps({**json.loads(data), "rollback": {"at": 3}}).encode()):
        assert provenance.loads(wrong, site.new.encode()) is None


def test_files_are_readable_by_all(site: Site) -> None:
    mask = os.umask(0o077)
    try:
        promote(site.settings(), NOW, write=True)
    finally:
        os.umask(mask)
    assert (site.locks / "test/train.provenance.json").stat().st_mode & 0o777 == 0o644


def test_lines_name_digests_and_hosts(site: Site) -> None:
    made = promote(site.settings(), NOW, write=True)
    shown = promotion.lines(site.settings(), made.outcomes[1])
    assert shown == [f"train        linux-64       {digest(site.new)[:12]}  held by 2 hosts of dev  (changed)"]
