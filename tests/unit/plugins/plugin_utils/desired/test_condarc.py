import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import clean_schedule, condarc

ROOT, ALIAS = "/opt/lockstep", "https://conda.anaconda.org"


def test_condarc_is_strict_by_default() -> None:
    text = condarc.render(ROOT, ["conda-forge"], ALIAS)
    data = yaml.safe_load(text)
    assert data["channels"] == data["allowlist_channels"] == ["conda-forge"]
    assert data["default_channels"] == [] and data["override_channels_enabled"] is False
    assert data["channel_priority"] == "strict"
    for key in ("channels", "allowlist_channels", "default_channels", "override_channels_enabled", "channel_priority"):
        line = next(line for line in text.splitlines() if line.startswith(f"{key}:"))
        assert line.endswith("#!final"), f"a later file could loosen {key}"


def test_condarc_lists_the_shared_cache_before_the_users() -> None:
    data = yaml.safe_load(condarc.render(ROOT, ["conda-forge"], ALIAS))
    assert data["pkgs_dirs"] == [f"{ROOT}/pkgs", "~/.conda/pkgs"]
    assert data["envs_dirs"] == [f"{ROOT}/envs", "~/.conda/envs"]


def test_condarc_lets_users_add_channels_on_request() -> None:
    text = condarc.render(ROOT, ["conda-forge"], ALIAS, users_may_add_channels=True)
    data = yaml.safe_load(text)
    assert "allowlist_channels" not in data and data["override_channels_enabled"] is True
    assert data["channels"] == ["conda-forge"] and data["channel_priority"] == "strict"


def test_condarc_refuses_a_channel_name_with_line_breaks() -> None:
    data = yaml.safe_load(condarc.render(ROOT, ["a: b # c", "x\ny"], ALIAS))
    assert data["channels"] == ["a: b # c", "x\ny"]


def test_timer_units_contain_time_and_jitter() -> None:
    units = clean_schedule.units(ROOT, "sun", 3, 5, 90)
    assert "OnCalendar=Sun *-*-* 03:05:00" in units["lockstep-clean.timer"]
    assert "RandomizedDelaySec=90min" in units["lockstep-clean.timer"]
    assert f"ExecStart={ROOT}/bin/lockstep-clean" in units["lockstep-clean.service"]
    assert "OnCalendar=*-*-* 03:05:00" in clean_schedule.units(ROOT, "*", 3, 5, 0)["lockstep-clean.timer"]


def test_cron_time_differs_by_host_and_is_stable() -> None:
    entries = [clean_schedule.cron(ROOT, "sun", 3, 0, 120, f"host-{n}") for n in range(50)]
    times = {int(e["hour"]) * 60 + int(e["minute"]) for e in entries}
    assert len(times) > 20 and min(times) >= 180 and max(times) <= 300
    assert entries[0] == clean_schedule.cron(ROOT, "sun", 3, 0, 120, "host-0")


def test_cron_time_past_midnight_is_the_next_day() -> None:
    entries = [clean_schedule.cron(ROOT, "sat", 23, 30, 120, f"host-{n}") for n in range(50)]
    assert {e["weekday"] for e in entries} == {"6", "0"}
    assert all(int(e["hour"]) <= 1 for e in entries if e["weekday"] == "0")


@pytest.mark.parametrize("wrong", [("someday", 3, 0, 0), ("sun", 24, 0, 0), ("sun", 3, 60, 0), ("sun", 3, 0, -1)])
def test_invalid_time_is_refused(wrong: tuple[str, int, int, int]) -> None:
    with pytest.raises(ValueError, match="conda_clean_"):
        clean_schedule.units(ROOT, *wrong)
