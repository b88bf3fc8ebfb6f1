"""The schedule of lockstep-clean, and what it removes."""

from __future__ import annotations

import json

from tests.support.fleet_hosts import ROOT, Fleet, unchanged

TIMER = "systemctl --user list-timers --no-pager"


def test_clean_is_scheduled_by_a_timer_or_by_cron(fleet: Fleet) -> None:
    assert "lockstep-clean.timer" in fleet.run("timer-m", TIMER)
    assert "lockstep-clean" in fleet.run("cron-m", "crontab -l"), "no lingering there: cron"


def test_change_of_the_scheduler_leaves_one_schedule(fleet: Fleet) -> None:
    fleet.apply("conda_clean", "--limit", "timer-m", "-e", "conda_clean_scheduler=cron")
    assert "lockstep-clean" in fleet.run("timer-m", "crontab -l")
    assert "lockstep-clean.timer" not in fleet.run("timer-m", TIMER)
    fleet.apply("conda_clean", "--limit", "timer-m")
    assert "lockstep-clean.timer" in fleet.run("timer-m", TIMER)
    assert "lockstep-clean" not in fleet.run("timer-m", "crontab -l", rc=None)
    assert unchanged(fleet.apply("conda_clean"))


def test_timer_without_lingering_is_refused_with_the_remedy(fleet: Fleet) -> None:
    told = fleet.apply("conda_clean", "--limit", "cron-m", "-e", "conda_clean_scheduler=timer", rc=2)
    assert "loginctl enable-linger" in " ".join(told.split())


def test_clean_removes_unused_packages_only(fleet: Fleet) -> None:
    name = "unused-1.0-0"
    plant = f"""cd {ROOT}/pkgs && mkdir -p {name}/info && head -c 1000000 /dev/urandom > {name}/data &&
        cd {name}/info &&
        echo '{{"name": "unused", "version": "1.0", "build": "0", "build_number": 0, "depends": [],
               "subdir": "noarch"}}' > index.json &&
        echo '{{"paths": [{{"_path": "data", "path_type": "hardlink"}}], "paths_version": 1}}' > paths.json &&
        echo '{{"url": "https://conda.anaconda.org/local-forge/noarch/{name}.conda"}}' > repodata_record.json"""
    fleet.run("timer-m", plant)
    linked = f"cd {ROOT}/pkgs; find * -mindepth 1 -path '*/info' -prune -o -type f -links +1 -print | cut -d/ -f1"
    used = set(fleet.run("timer-m", linked).split())
    fleet.run("timer-m", f"{ROOT}/bin/lockstep-clean")
    left = set(fleet.run("timer-m", f"ls {ROOT}/pkgs").split())
    assert name not in left
    assert used and used <= left, f"gone although used: {used - left}"
    last = json.loads(fleet.run("timer-m", f"cat {ROOT}/state/clean.json"))[-1]
    assert last["ok"] and last["before_bytes"] - last["after_bytes"] > 900_000
    fleet.run("timer-m", f"{ROOT}/bin/lockstep-run tools python -c 'import rich, yaml'")
