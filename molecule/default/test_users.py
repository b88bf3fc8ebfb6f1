"""What users of the hosts do, done as them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from checks import CHECKOUT, ROOT, STATE, Fleet

HOSTS = ("dev-m", "test-m", "prod-m")
ONE_LINE = f". {ROOT}/miniconda/etc/profile.d/conda.sh"
PRINT = "import numpy, sys; print(numpy.__version__, sys.prefix)"


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash"])
@pytest.mark.parametrize("user", ["ml", "guest"])
def test_one_line_makes_activate_work(fleet: Fleet, shell: str, user: str) -> None:
    told = fleet.run("prod-m", f"{shell} -c '{ONE_LINE} && conda activate train && python -c \"{PRINT}\"'", user)
    assert re.fullmatch(rf"\d+\.\d+\.\d+ {ROOT}/generations/train/[0-9a-f]{{12}}\n", told), told


def test_fish_activates_too(fleet: Fleet) -> None:
    line = f'source {ROOT}/miniconda/etc/fish/conf.d/conda.fish; conda activate train; python -c "{PRINT}"'
    assert f"{ROOT}/generations/train/" in fleet.run("prod-m", f"fish -c '{line}'")


@pytest.mark.parametrize("host", HOSTS)
def test_lockstep_run_needs_no_login_and_no_environment(fleet: Fleet, host: str) -> None:
    told = fleet.run(host, f"env -i {ROOT}/bin/lockstep-run train python -c '{PRINT}'")
    assert f"{ROOT}/generations/train/" in told


def test_a_second_user_cannot_write(fleet: Fleet) -> None:
    for path in ("envs/train/x", "envs/train/conda-meta/x", "pkgs/x", "miniconda/x", "state/x", "bin/x"):
        assert "Permission denied" in fleet.run("prod-m", f"touch {ROOT}/{path}", "guest", rc=1)
    told = fleet.run("prod-m", f"{ROOT}/bin/lockstep-run train python -m pip install numpy", "guest", rc=1)
    assert "externally-managed" in told


def test_a_second_user_makes_an_environment_of_their_own(fleet: Fleet) -> None:
    create = "conda create -q -y -n mine python tqdm && conda activate mine"
    made = f"bash -c '{ONE_LINE} && {create} && python -c \"import tqdm, sys; print(sys.prefix)\"'"
    assert fleet.run("prod-m", made, "guest").strip().endswith("/home/guest/.conda/envs/mine")


def test_other_channels_are_refused(fleet: Fleet) -> None:
    for wish in ("-c bioconda tqdm", "bioconda::tqdm", "--override-channels -c bioconda tqdm"):
        told = fleet.run(
            "prod-m", f"CONDA_CHANNELS=bioconda bash -c '{ONE_LINE} && conda create -y -n other {wish}'", "guest", rc=1
        )
        assert "NotAllowed" in told, told  # not merely out of reach, as everything is here


def test_the_second_environment_costs_little(fleet: Fleet) -> None:
    """Environments share files with the cache and with each other by hard links."""
    alone = int(fleet.run("prod-m", f"du -sb {ROOT}/envs/serve/").split()[0])
    both = int(
        fleet.run(
            "prod-m", f"du -scb {ROOT}/pkgs {ROOT}/generations/train {ROOT}/generations/serve | tail -n 2 | head -n 1"
        ).split()[0]
    )
    assert both < alone / 2, f"{both} of {alone} bytes are serve's own"


def test_the_clean_is_scheduled(fleet: Fleet) -> None:
    assert "lockstep-clean.timer" in fleet.run("prod-m", "systemctl --user list-timers --no-pager")
    assert "lockstep-clean" in fleet.run("test-m", "crontab -l"), "no lingering there: cron"


def test_the_clean_removes_what_nobody_uses_and_nothing_else(fleet: Fleet) -> None:
    name = "unused-1.0-0"
    plant = f"""cd {ROOT}/pkgs && mkdir -p {name}/info && head -c 1000000 /dev/urandom > {name}/data &&
        cd {name}/info &&
        echo '{{"name": "unused", "version": "1.0", "build": "0", "build_number": 0, "depends": [],
               "subdir": "noarch"}}' > index.json &&
        echo '{{"paths": [{{"_path": "data", "path_type": "hardlink"}}], "paths_version": 1}}' > paths.json &&
        echo '{{"url": "https://conda.anaconda.org/local-forge/noarch/{name}.conda"}}' > repodata_record.json"""
    fleet.run("dev-m", plant)
    linked = f"cd {ROOT}/pkgs; find * -mindepth 1 -path '*/info' -prune -o -type f -links +1 -print | cut -d/ -f1"
    used = set(fleet.run("dev-m", linked).split())
    fleet.run("dev-m", f"{ROOT}/bin/lockstep-clean")
    left = set(fleet.run("dev-m", f"ls {ROOT}/pkgs").split())
    assert name not in left
    assert used and used <= left, f"gone although used: {used - left}"
    last = json.loads(fleet.run("dev-m", f"cat {ROOT}/state/clean.json"))[-1]
    assert last["ok"] and last["before_bytes"] - last["after_bytes"] > 900_000
    fleet.run("dev-m", f"{ROOT}/bin/lockstep-run train python -c '{PRINT}'")


LATE = """import pathlib, sys, time
flag = pathlib.Path(sys.argv[1])
flag.touch()
while flag.exists():
    time.sleep(0.1)
import wave, numpy
print(numpy.__version__, numpy.__file__)
"""


def start(command: str, host: str = "dev-m") -> subprocess.Popen[str]:
    argv = [
        CHECKOUT / ".venv/bin/python",
        "-m",
        "local.fleet",
        "--inventory",
        "molecule/inventory",
        "ssh",
        host,
        command,
    ]
    return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_running_processes_keep_their_generation_through_an_update(fleet: Fleet) -> None:
    """Started before an update, by activation and by lockstep-run; both import late, after the swap and a clean."""
    old = fleet.run("dev-m", f"readlink {ROOT}/envs/train").strip().rsplit("/", 1)[1]
    fleet.run("dev-m", f"cat > /tmp/late.py <<'END'\n{LATE}END")
    jobs = [
        start(f"bash -c '{ONE_LINE} && conda activate train && exec python /tmp/late.py /tmp/late-1'"),
        start(f"{ROOT}/bin/lockstep-run train python /tmp/late.py /tmp/late-2"),
    ]
    both = "[ -e /tmp/late-1 ] && [ -e /tmp/late-2 ] && exit 0"
    fleet.run("dev-m", f"for i in $(seq 600); do {both}; sleep 0.2; done; exit 1")
    specs = STATE / "specs"
    shutil.rmtree(specs, ignore_errors=True)
    shutil.copytree(CHECKOUT / "local/envs", specs)
    text = (specs / "train.yml").read_text()
    older = re.sub(r"- numpy\b.*", "- numpy 2.2.4", text)
    assert older != text
    (specs / "train.yml").write_text(older)
    fleet.play("playbooks/lock.yml", "-e", "env=train", "-e", f"lockstep_envs_dir={specs}")
    fleet.play("site.yml", "--limit", "dev")
    new = fleet.run("dev-m", f"readlink {ROOT}/envs/train").strip().rsplit("/", 1)[1]
    assert new != old
    fleet.run("dev-m", f"{ROOT}/bin/lockstep-clean --min-age-days 0 --keep-previous 0", rc=None)
    fleet.run("dev-m", "rm /tmp/late-1 /tmp/late-2")
    for job in jobs:
        told, _ = job.communicate(timeout=300)
        assert job.returncode == 0 and f"/generations/train/{old}/" in told, told
    assert f"/generations/train/{new}/" in fleet.run(
        "dev-m", f"{ROOT}/bin/lockstep-run train python -c '{PRINT}; print(numpy.__file__)'"
    )
