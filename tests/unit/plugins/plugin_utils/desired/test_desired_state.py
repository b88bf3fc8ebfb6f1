"""What a host should hold, from variables and locks; locks are read once for all processes."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import condarc, desired_state, settings

from tests.support.fake_root import plan_of
from tests.support.lock_samples import lock


def given(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "lockstep_root": "/opt/lockstep", "lockstep_tier": "dev", "lockstep_envs": ["train"],
        "lockstep_locks_dir": str(folder), "lockstep_channels": ["conda-forge"], **more,
    }  # fmt: skip


def put_lock(folder: Path, **more: Any) -> Path:
    path = folder / "dev" / ("train" + lockfile.SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lock(**more).dumps())
    return path


def test_desired_state_has_the_digest_of_the_locks_plan(tmp_path: Path) -> None:
    path = put_lock(tmp_path)
    made = desired_state.build(given(tmp_path), "h", None)
    found = made.envs["train"].platforms["linux-64"]
    plan = lockfile.plan(lockfile.Lock.loads(path.read_text(), "x"), "train", "linux-64")
    assert found.digest == plan.digest == plan.identified().digest
    assert found.packages == tuple((p.name, p.version, p.build) for p in plan.packages)


def test_lock_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = put_lock(tmp_path / "locks"), tmp_path / "reports"
    reads: list[str] = []
    real = desired_state._read_lock

    def count(path: Path, name: str, channels: Any) -> Any:
        reads.append(name)
        return real(path, name, channels)

    monkeypatch.setattr(desired_state, "_read_lock", count)
    values = given(tmp_path / "locks")
    one = desired_state.build(values, "h1", cache)
    two = desired_state.build(values, "h2", cache)
    assert one.envs == two.envs
    assert len(reads) == 1
    status = path.stat()
    path.write_text(path.read_text() + "# x\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # a change that hides its time is a change too
    desired_state.build(values, "h1", cache)
    assert len(reads) == 2


@pytest.mark.parametrize("name", ["condarc_prefix", "condarc_root", "conda_clean_root", "conda_envs_root"])
def test_roles_with_different_roots_are_refused(tmp_path: Path, name: str) -> None:
    """The comparison looks at one place: what a role did at another would be missed, or missed for ever."""
    put_lock(tmp_path)
    same = {"condarc_prefix": "/opt/lockstep/miniconda/", "miniconda_prefix": "/opt/lockstep/miniconda"}
    same.update(dict.fromkeys(("condarc_root", "conda_clean_root", "conda_envs_root"), "/opt/lockstep"))
    desired_state.build(given(tmp_path, **same), "h", None)
    with pytest.raises(desired_state.DesiredStateError, match="a host has one base and one root"):
        desired_state.build(given(tmp_path, **{**same, name: "/data/elsewhere"}), "h", None)


def test_unwritable_cache_does_not_hide_a_lock(tmp_path: Path) -> None:
    put_lock(tmp_path / "locks")
    (tmp_path / "reports").write_text("a file where the folder should be")
    made = desired_state.build(given(tmp_path / "locks"), "h", tmp_path / "reports")
    assert made.envs["train"].platforms and not made.envs["train"].error


def _child(values: dict[str, Any], cache: Path, log: Path) -> None:
    real = desired_state._read_lock

    def count(path: Path, name: str, channels: Any) -> Any:
        with log.open("a") as file:
            file.write("x")
        return real(path, name, channels)

    desired_state._read_lock = count  # type: ignore[assignment]
    desired_state.build(values, "h", cache)


def test_concurrent_processes_read_a_lock_once(tmp_path: Path) -> None:
    put_lock(tmp_path / "locks")
    log = tmp_path / "log"
    context = get_context("fork")
    children = [
        context.Process(target=_child, args=(given(tmp_path / "locks"), tmp_path / "reports", log)) for _ in range(6)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 6
    assert log.read_text() == "x"


@pytest.mark.parametrize("damage", ["", "{", '{"key": []}', "[]", '{"key": 1, "platforms": {}}'])
def test_damaged_cache_is_replaced(tmp_path: Path, damage: str) -> None:
    put_lock(tmp_path / "locks")
    values = given(tmp_path / "locks")
    good = desired_state.build(values, "h", tmp_path / "reports")
    (cached,) = (tmp_path / "reports/derived").glob("*.json")
    cached.write_text(damage)
    assert desired_state.build(values, "h", tmp_path / "reports") == good


def test_error_of_a_lock_is_reported_for_its_environment(tmp_path: Path) -> None:
    made = desired_state.build(given(tmp_path), "h", None)
    assert "cannot be read" in made.envs["train"].error
    put_lock(tmp_path).write_text("version: 1\n")
    assert "train.conda-lock.yml" in desired_state.build(given(tmp_path), "h", None).envs["train"].error
    put_lock(tmp_path)
    other = given(tmp_path, lockstep_channels=["our-channel"])
    assert desired_state.build(other, "h", None).envs["train"].error
    evil = desired_state.build(given(tmp_path, lockstep_envs=["../x"]), "h", None)
    assert "cannot be the name" in evil.envs["../x"].error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lockstep_tier": ""}, "lockstep_tier is not set"),
        ({"lockstep_tier": 7}, "lockstep_tier is 7"),
        ({"lockstep_envs": "train"}, "must be a list of names"),
        ({"lockstep_envs": None}, "lockstep_envs is not set"),
        ({"lockstep_locks_dir": None}, "lockstep_locks_dir is not set"),
        ({"lockstep_system_requirements": {"cuda": 12.8}}, "put it in quotes"),
        ({"lockstep_system_requirements": {"gpu": "1"}}, "unknown key gpu"),
        ({"conda_clean_weekday": "someday", "conda_clean_hour": 1, "conda_clean_minute": 1,
          "conda_clean_jitter_minutes": 1}, "someday"),
        ({"conda_envs_rattler_wheels": {"linux-64": "x"}}, "conda_envs_rattler_wheels"),
        ({"condarc_channels": ["x"], "condarc_channel_alias": "u", "condarc_users_may_add_channels": "perhaps"},
         "condarc_users_may_add_channels"),
    ],
)  # fmt: skip
def test_missing_variables_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    put_lock(tmp_path)
    values = {key: value for key, value in given(tmp_path, **change).items() if value is not None}
    with pytest.raises(desired_state.DesiredStateError, match=words):
        desired_state.build(values, "h", None)


def test_desired_state_without_environments(tmp_path: Path) -> None:
    assert desired_state.build(given(tmp_path, lockstep_envs=[]), "h", None).envs == {}


def test_role_variables_override_those_of_the_fleet(tmp_path: Path) -> None:
    put_lock(tmp_path)
    values = given("/nowhere", conda_envs_locks_dir=str(tmp_path), conda_envs_root="/srv/x", conda_envs_names=["train"])  # type: ignore[arg-type]
    made = desired_state.build(values, "h", None)
    assert made.root == "/srv/x"
    assert made.envs["train"].platforms


def test_desired_state_uses_the_roles_defaults(tmp_path: Path) -> None:
    """Every setting that a role decides is in its defaults under the name that is read here."""
    defaults: dict[str, Any] = settings.role_defaults(lambda path: yaml.safe_load(Path(path).read_text()))
    mine = [name for name in desired_state.SETTINGS if name.startswith(desired_state.ROLES)]
    assert [name for name in mine if name not in defaults] == []
    values = {name: defaults[name] for name in mine if "{{" not in str(defaults[name])}
    made = desired_state.build({**given(tmp_path, lockstep_envs=[]), **values}, "h", None)
    assert made.base_version == defaults["miniconda_version"]
    assert made.rattler == defaults["conda_envs_rattler_version"]
    assert set(made.rattler_wheels) == set(defaults["conda_envs_rattler_wheels"])
    assert made.clean is not None
    assert "lockstep-clean" in made.clean.cron


def test_desired_condarc_is_the_one_that_the_role_writes(tmp_path: Path) -> None:
    made = desired_state.build(
        given(tmp_path, lockstep_envs=[], condarc_channels=["conda-forge"], condarc_channel_alias="https://m"),
        "h",
        None,
    )
    assert made.condarc == condarc.render("/opt/lockstep", ["conda-forge"], "https://m")


def test_only_environments_with_cuda_builds_require_a_driver() -> None:
    def asks(name: str, *depends: str) -> bool:
        plan = plan_of([(name, "1", "0")])
        return desired_state._asks_for(
            "cuda", plan._replace(packages=[plan.packages[0]._replace(depends=list(depends))])
        )

    assert not asks("numpy", "python >=3.12")
    assert asks("torch", "__cuda >=12")
    assert asks("cuda-version")
