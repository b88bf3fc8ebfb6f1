"""The comparison by itself: what a host says is never trusted, and what is said of it is fit to be read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.redaction import redact
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.answer import LIMIT, read_answer
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.compare import compare
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import (
    DRIFT,
    NOTE,
    UNKNOWN,
    Drift,
    in_sync,
)
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import ABOUT, Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.packages import package_changes, split_name
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.text import plain
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import (
    WHEEL,
    CleanSchedule,
    DesiredEnv,
    DesiredState,
    LockedEnv,
)

from tests.support.paths import CHECKOUT

DOCS = CHECKOUT / "docs/reference/drift-kinds.md"
ROLES = CHECKOUT / "roles"
DIGEST = "a1" * 32


def declared(**more: Any) -> DesiredState:
    env = DesiredEnv("locks/prod/train.conda-lock.yml", {"linux-64": LockedEnv(DIGEST, (("numpy", "2.1.0", "0"),))})
    return DesiredState(**{"root": "/opt/lockstep", "tier": "prod", "envs": {"train": env}, **more})


def seen(**more: Any) -> dict[str, Any]:
    env = {"link": "ok", "generation": DIGEST[:12], "digest": DIGEST, "content": "c"}
    whole = {"schema": 1, "root": "/opt/lockstep", "errors": [], "host": {"platform": "linux-64", "gpu": {}},
             "disk": {"type": "ext4"}, "folders": {}, "envs": {"train": env}}  # fmt: skip
    return {**whole, **more}


def test_equal_states_have_no_drift() -> None:
    assert compare(declared(), seen()) == []


def test_every_drift_kind_is_documented() -> None:
    assert set(ABOUT) == set(Kind)
    text = DOCS.read_text()
    for kind, about in ABOUT.items():
        assert re.search(rf"^\| `{kind.value}` \| {re.escape(about.sentence)} \|", text, re.M), kind
        assert about.sentence.endswith(".")
        assert about.remedy.endswith(".")
        assert not about.role or (ROLES / about.role).is_dir(), about.role
        assert bool(about.role) == ("site.yml" in about.remedy.split(";")[0] and about.remedy.startswith("Run ")), kind


@pytest.mark.parametrize(
    "value",
    [None, [], "x", 7, {}, {"schema": 2}, {"schema": "1"}, {"schema": 1}, {"schema": 1, "errors": 7},
     {"schema": 1, "errors": [], "host": 7, "root": "/opt/lockstep"}, {"schema": 1, "errors": [{}]}],
)  # fmt: skip
def test_malformed_observation_is_unknown(value: Any) -> None:
    drifts = compare(declared(), value)
    assert not in_sync(drifts)
    assert any(drift.severity == UNKNOWN for drift in drifts)


@pytest.mark.parametrize("section", ["host", "disk", "folders", "envs", "errors", "root"])
@pytest.mark.parametrize("value", [None, 7, "x", [], [7]])
def test_missing_or_malformed_section_is_never_in_sync(section: str, value: Any) -> None:
    no_error_at_all = section == "errors" and value == []
    assert in_sync(compare(declared(), seen(**{section: value}))) is no_error_at_all


@pytest.mark.parametrize(
    "section",
    ["base", "condarc", "rattler", "files", "clean"],
)
def test_declared_part_that_was_not_inspected_is_unknown(section: str) -> None:
    whole = declared(base_version="1", condarc_sha256="x", rattler="0.28.0", files={"bin/x": ("y", 0o755)},
                     clean=CleanSchedule({}, "t", "c"))  # fmt: skip
    parts = {"base": {"state": "ours", "version": "1"}, "condarc": {"sha256": "x"}, "files": {"": ""},
             "rattler": {"versions": {"0.28.0": "w"}}, "clean": {"enabled": True, "linger": True}}  # fmt: skip
    parts.pop(section)
    drifts = compare(whole, seen(**parts))
    assert [d for d in drifts if d.severity == UNKNOWN and section in d.detail]


@pytest.mark.parametrize("env", [None, {}, {"error": "Permission denied"}, {"link": "ok"}, {"link": "ok", "digest": 7}])
def test_environment_that_was_not_inspected_is_never_in_sync(env: Any) -> None:
    assert not in_sync(compare(declared(), seen(envs={"train": env})))
    assert not in_sync(compare(declared(), seen(envs={})))


def test_missing_lock_and_missing_platform_are_drift() -> None:
    gone = declared(envs={"train": DesiredEnv("l", error="l cannot be read")})
    assert [d.kind for d in compare(gone, seen())] == [Kind.NOT_LOCKED]
    arm = seen(host={"platform": "linux-aarch64"})
    assert [d.kind for d in compare(declared(), arm)] == [Kind.NOT_LOCKED]
    assert "locked for linux-64, and this host is linux-aarch64" in compare(declared(), arm)[0].detail


@pytest.mark.parametrize(
    ("system_requirements", "host", "ok"),
    [
        ({"cuda": "12.8"}, {"gpu": {"cuda": "12.8"}}, True),
        ({"cuda": "12.8"}, {"gpu": {"cuda": "12.10"}}, True),
        ({"cuda": "12.8"}, {"gpu": {"cuda": "12.4"}}, False),
        ({"cuda": "12.8"}, {"gpu": {}}, False),
        ({"glibc": "2.35"}, {"glibc": "2.4"}, False),
        ({"glibc": "2.35"}, {"glibc": "2.36"}, True),
        ({"glibc": "2.35"}, {"glibc": None}, False),
        ({"linux": "5"}, {"kernel": "5.0.0"}, True),
        ({"archspec/linux-64": "x86_64_v3"}, {"archspec": "x86_64_v4"}, True),
        ({"archspec/linux-64": "x86_64_v3"}, {"archspec": "x86_64_v2"}, False),
        ({"archspec/linux-aarch64": "neoverse_n1"}, {"archspec": "x86_64"}, True),
        ({"osx": "13.0"}, {}, True),
    ],
)
def test_host_below_the_system_requirements_is_drift(
    system_requirements: dict[str, str], host: dict[str, Any], ok: bool
) -> None:
    whole = seen(host={"platform": "linux-64", **host})
    drifts = compare(declared(system_requirements=system_requirements), whole)
    assert in_sync(drifts) is ok
    assert [d.kind for d in drifts] == ([] if ok else [Kind.SYSTEM_REQUIREMENTS])


def test_system_requirements_of_a_lock_apply_to_its_hosts_only() -> None:
    env = DesiredEnv("l", {"linux-64": LockedEnv(DIGEST, (), {"cuda": "12.8"})})
    drifts = compare(declared(envs={"train": env}), seen())
    assert [d.kind for d in drifts] == [Kind.SYSTEM_REQUIREMENTS]
    assert "the lock of train promises 12.8" in drifts[0].detail


def test_simulated_gpu_is_named_as_simulated() -> None:
    whole = seen(host={"platform": "linux-64", "gpu": {"cuda": "12.4", "simulated": True}})
    assert "12.4 (simulated)" in compare(declared(system_requirements={"cuda": "12.8"}), whole)[0].detail


def test_unreadable_gpu_is_unknown_only_where_cuda_is_declared() -> None:
    whole = seen(errors=[{"what": "cuda", "why": "did not answer"}])
    assert [d.severity for d in compare(declared(), whole)] == [NOTE]
    assert {d.severity for d in compare(declared(system_requirements={"cuda": "12"}), whole)} == {UNKNOWN, DRIFT}


@pytest.mark.parametrize(
    ("scheduler", "found", "severity"),
    [
        ("auto", {"enabled": True, "linger": True, "units": {}}, None),
        ("auto", {"enabled": False, "linger": False, "cron": ["5 3 * * 0  /opt/lockstep/bin/lockstep-clean"]}, None),
        ("auto", {"enabled": False, "linger": False, "cron": ["5 4 * * 0 /opt/lockstep/bin/lockstep-clean"]}, DRIFT),
        ("auto", {"enabled": False, "linger": False, "cron": []}, DRIFT),
        ("auto", {"enabled": True, "linger": False}, UNKNOWN),
        ("auto", {"enabled": True, "linger": True, "units": {"x/lockstep-clean.timer": "missing"}}, DRIFT),
        ("timer", {"enabled": False, "linger": True, "cron": ["5 3 * * 0 /opt/lockstep/bin/lockstep-clean"]}, DRIFT),
        ("cron", {"enabled": True, "linger": True, "units": {}}, DRIFT),
    ],
)  # fmt: skip
def test_clean_schedule_that_differs_is_drift(scheduler: str, found: dict[str, Any], severity: str | None) -> None:
    clean = CleanSchedule({}, "lockstep-clean.timer", "5 3 * * 0 /opt/lockstep/bin/lockstep-clean", scheduler)
    drifts = compare(declared(clean=clean), seen(clean=found))
    assert [d.severity for d in drifts] == ([severity] if severity else [])


def test_schedule_of_a_root_that_looks_like_a_token_is_in_sync() -> None:
    """The observer takes channel tokens (`/t/...`) out of all that it sends."""
    job = "7 3 * * 0 /data/t/ml/lockstep/bin/lockstep-clean"
    found = {"cron": [redact(job)], "enabled": False, "linger": False}
    clean = CleanSchedule({}, "lockstep-clean.timer", job)
    assert not compare(declared(clean=clean), seen(clean=found))
    found["cron"] = [redact(job.replace("lockstep/bin", "other/bin"))]
    assert compare(declared(clean=clean), seen(clean=found))


def test_host_files_of_another_version_are_one_line() -> None:
    names = [f"rattler/tools-0123456789ab/lockstep_host/m{number}.py" for number in range(9)]
    whole = declared(files={**dict.fromkeys(names, ("x", 420)), "bin/lockstep-run": ("y", 0o755)})
    files = {**dict.fromkeys(names, "missing"), "bin/lockstep-run": "0" * 64}
    lines = [str(d) for d in compare(whole, seen(files=files, rattler={"tools": ["tools-ffffffffffff"]}))]
    assert lines == [
        "rattler: rattler/tools-0123456789ab: 9 files are missing or altered; the host has tools-ffffffffffff",
        "rattler: bin/lockstep-run is altered",
    ]


def test_failed_clean_is_a_note() -> None:
    clean = {"enabled": True, "linger": True, "last": {"ok": False, "message": "no room"}}
    drifts = compare(declared(clean=CleanSchedule({}, "t", "c")), seen(clean=clean))
    assert [(d.kind, d.severity) for d in drifts] == [(Kind.CLEAN_FAILED, NOTE)]


@pytest.mark.parametrize(
    "disk",
    [{"type": "nfs4"}, {"type": "nfs"}, {"type": "lustre"}, {"type": "cifs"}, {"type": "ext4", "readonly": True}],
)
def test_unsuitable_file_system_is_drift(disk: dict[str, Any]) -> None:
    assert [d.kind for d in compare(declared(), seen(disk=disk))] == [Kind.ROOT_FILESYSTEM]


def test_adopted_base_may_hold_more_packages() -> None:
    base = {"state": "ours", "version": "1", "extra": ["tmux-3.5-0"], "adopted": True}
    drifts = compare(declared(base_version="1"), seen(base=base))
    assert [(d.kind, d.severity) for d in drifts] == [(Kind.BASE_PACKAGES, NOTE)]


def test_drift_is_listed_before_unknown_and_notes() -> None:
    whole = seen(
        errors=[{"what": "x", "why": "y"}], undeclared={"old": "link"}, folders={".": "others may write to it"}
    )
    assert [d.severity for d in compare(declared(), whole)] == [DRIFT, UNKNOWN, NOTE]


def test_many_differences_are_shortened_with_a_count_and_hide_no_other() -> None:
    errors = [{"what": f"env x{i}", "why": "unreadable"} for i in range(100_000)]
    errors.append({"what": "env train", "why": "locked"})
    found = compare(declared(), seen(errors=errors, undeclared={f"e{i}": "link" for i in range(5000)}))
    assert len(found) < 300
    assert {d.subject for d in found if d.severity == UNKNOWN} == {"host", "train"}
    assert any(d.detail == "and 99801 more differences, which are not listed" for d in found)


def test_drift_seen_before_an_answer_breaks_off_is_reported() -> None:
    found = compare(declared(), {"schema": 1, "errors": [{"what": "observer", "why": "MemoryError"}]})
    assert "observer: MemoryError" in [d.detail for d in found]
    assert not in_sync(found)


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ('{"disk": NaN}', "NaN is not a number"),
        ('{"at": 1e999}', "1e999 is too large a number"),
        ('{"at": 1', "is not JSON"),
        ('{"at": ' + "[" * 100_000, "nested too deeply"),
        ("{" + " " * LIMIT, "no observation has more than 48 MB"),
    ],
)
def test_answer_that_is_no_observation_is_refused(printed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_answer(printed)


def test_answer_after_a_login_banner_is_read() -> None:
    assert read_answer('Welcome!\n{"hint": 1}\n{"schema": 1}\nbye\n') == {"schema": 1}
    assert read_answer("Welcome!\n") is None


def test_control_characters_and_lone_surrogates_do_not_reach_a_terminal() -> None:
    env = dict(seen()["envs"]["train"])
    bad = "lib/\x1b[2J\u202ex\udce9\n.py" + "y" * 2000
    env["damage"] = {"by": {"file-extra": 1}, "shown": [{"kind": "file-extra", "path": bad}]}
    (drift,) = compare(declared(), seen(envs={"train": env}))
    assert drift.detail.isprintable()
    assert len(drift.detail) <= 600
    drift.detail.encode("utf-8")
    assert plain("a\tb") == "a\ufffdb"


def test_package_changes_are_described() -> None:
    want = (("a", "1", "0"), ("b", "1", "0"), ("c", "1", "h1_0"))
    have = (("b", "2", "0"), ("c", "1", "h2_1"), ("d", "1", "0"))
    assert package_changes(want, have) == [
        "a 1 is missing", "b 2 instead of 1", "c 1 h2_1 instead of h1_0", "d 1 is extra",
    ]  # fmt: skip
    assert split_name("python-dateutil-2.9.0-pyh_0") == ("python-dateutil", "2.9.0", "pyh_0")
    assert split_name("nohyphen") == ("nohyphen", "", "")


def test_wheels_are_compared_apart_from_conda_records() -> None:
    locked = LockedEnv(DIGEST, (("numpy", "2.1.0", "0"), ("einops", "0.8.1", WHEEL)))
    mine = declared(envs={"train": DesiredEnv("l", {"linux-64": locked})})
    env = seen()["envs"]["train"] | {"digest": "b2" * 32, "generation": "b2" * 6, "names": ["numpy-2.1.0-0"]}
    (drift,) = compare(mine, seen(envs={"train": env}))
    assert "the same conda packages; wheels, variables or layout differ" in drift.detail
    (drift,) = compare(mine, seen(envs={"train": env | {"wheels": [["einops", "0.8.0"], ["safetensors", "0.5"]]}}))
    assert "einops 0.8.0 instead of 0.8.1, safetensors 0.5 is extra" in drift.detail
    (drift,) = compare(mine, seen(envs={"train": env | {"wheels": [["einops", "0.8.1"]]}}))
    assert "the same packages; variables, a wheel's file or the layout differ" in drift.detail
    (drift,) = compare(mine, seen(envs={"train": env | {"wheels": [3]}}))
    assert drift.severity == UNKNOWN


def test_drift_is_equal_after_json() -> None:
    drift = Drift(Kind.SYSTEM_REQUIREMENTS, "host", "x", "12.8", "12.4", UNKNOWN)
    assert Drift.from_json(drift.to_json()) == drift
    with pytest.raises(ValueError, match="nonsense"):
        Drift.from_json({**drift.to_json(), "kind": "nonsense"})
