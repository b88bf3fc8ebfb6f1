"""What an audit costs the controller: simulated hosts with 5 environments, one in twenty drifted, and its growth.

usage: python tests/bench/audit_controller.py [HOSTS ...] [--smoke]      (default: 100 1000; smoke: 10 20)

The hosts' answers are real observations of a made-up root, given by a connection that reads a file; so this is the
controller's own work: variables, locks, comparison, files, report. Goals for 100 hosts: 4 s, 100 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "collections"), str(CHECKOUT)]

from ansible_collections.lockstep.fleet.plugins.module_utils.observe import main as observer  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state, host_files, settings  # noqa: E402

from tests.support.fake_root import FakeRoot, put, thaw  # noqa: E402

GOAL_SECONDS, GOAL_MB = 4.0, 100.0
ENVS = ("train", "serve", "notebook", "tools", "second")
TIERS = ("dev", "test", "prod")


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def make_locks(folder: Path) -> None:
    """The committed locks of dev for all tiers, one of them twice, so that there are five."""
    for tier in TIERS:
        (folder / tier).mkdir(parents=True)
        for env in ENVS:
            source = CHECKOUT / "envs/locks/dev" / ((env if env != "second" else "tools") + lockfile.SUFFIX)
            (folder / tier / (env + lockfile.SUFFIX)).write_bytes(source.read_bytes())


def make_host(work: Path, locks: Path) -> FakeRoot:
    """A root whose environments have the digests of the locks."""
    made = FakeRoot(work / "host", envs=())
    for env in ENVS:
        path = locks / "dev" / (env + lockfile.SUFFIX)
        lock = lockfile.Lock.loads(path.read_text(), str(path))
        plan = lockfile.plan(lock, env, made.platform)
        made.build(env, [(p.name, p.version, p.build) for p in plan.packages], plan=plan)
    role = load_yaml(str(CHECKOUT / "roles/conda_envs/defaults/main.yml"))
    wheel = role["conda_envs_rattler_wheels"][made.platform]["sha256"]
    made.rattler(role["conda_envs_rattler_version"], wheel)
    for path, file in host_files.host_files().items():
        put(made.root / path, file.text, file.mode)
    return made


def variables(made: FakeRoot, work: Path, locks: Path) -> dict[str, Any]:
    """What group_vars would say."""
    return {
        "ansible_connection": "canned", "lockstep_root": str(made.root), "lockstep_envs": list(ENVS),
        "lockstep_tiers": list(TIERS), "lockstep_locks_dir": str(locks), "lockstep_reports_dir": str(work / "reports"),
        "lockstep_channels": ["conda-forge"], "lockstep_channel_alias": "https://conda.anaconda.org",
        "lockstep_system_requirements": {"glibc": "2.28"}, "conda_clean_root": str(made.root),
    }  # fmt: skip


def observe(made: FakeRoot, given: dict[str, Any], out: Path) -> int:
    """Have the real observer look at the root; its answer's size in bytes."""
    values = {**given, "lockstep_tier": "dev"}
    config, _ = settings.read_settings(values, settings.role_defaults(load_yaml), lambda merged, name: merged[name])
    files = {path: (file.sha256, file.mode) for path, file in host_files.host_files().items()}
    declared = desired_state.build({**config, **role_values(made)}, "dev-000", None, files)
    seen = observer.observe(desired_state.request(declared))
    seen["machine"] = ""  # one answer stands for all hosts
    seen["clean"] = {"units": {}, "enabled": True, "linger": True}
    seen["host"]["gpu"] = {
        "cuda": "13.0",
        "driver": "580.65.06",
        "models": ["NVIDIA H100 80GB HBM3"] * 8,
        "simulated": True,
    }
    text = json.dumps(seen, separators=(",", ":")) + "\n"
    out.write_text(text)
    return len(text)


def load_yaml(path: str) -> Any:
    """Role defaults as they stand, templates and all; those that matter here are given outright."""
    import yaml

    return yaml.safe_load(Path(path).read_text())


def role_values(made: FakeRoot) -> dict[str, Any]:
    """The values that templates in role defaults would give."""
    root = str(made.root)
    return {
        "conda_envs_root": root, "conda_envs_tier": "dev", "conda_envs_names": list(ENVS), "condarc_root": root,
        "condarc_prefix": f"{root}/miniconda", "condarc_channels": ["conda-forge"],
        "miniconda_prefix": f"{root}/miniconda",
        "condarc_channel_alias": "https://conda.anaconda.org", "conda_clean_root": root,
        "conda_envs_channels": ["conda-forge"], "conda_envs_locks_dir": str(made.root.parent.parent / "locks"),
    }  # fmt: skip


def inventory(path: Path, count: int, given: dict[str, Any], good: Path, bad: Path) -> None:
    """Hosts in three tiers; every twentieth has drifted."""
    groups: dict[str, Any] = {}
    for number in range(count):
        tier = TIERS[min(2, number * 10 // count // 2)]
        hosts = groups.setdefault(tier, {"vars": {"lockstep_tier": tier}, "hosts": {}})["hosts"]
        hosts[f"{tier}-{number:04}"] = {"canned_answer": str(bad if number % 20 == 7 else good)}
    path.write_text(json.dumps({"all": {"vars": given, "children": groups}}))


YARDSTICK = """
- hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.raw: "true"}]
"""


def run(path: Path, playbook: str) -> tuple[float, float, float, int]:
    """Run a playbook: wall and CPU seconds, the largest process's peak memory in MB, exit status."""
    env = {**os.environ, "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).parent / "connection"), "ANSIBLE_FORKS": "20",
           "ANSIBLE_LOCALHOST_WARNING": "False"}  # fmt: skip
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(path), playbook]
    log = path.with_suffix(".log").open("w")
    started = time.monotonic()
    child = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT, env=env)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode


def main() -> None:
    """Measure each size; the first one also with locks that changed since they were last read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*")
    parser.add_argument("--smoke", action="store_true")
    words = parser.parse_args()
    sizes = [10, 20] if words.smoke else words.sizes or [100, 1000]
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as name:
        work = Path(name)
        locks = work / "locks"
        make_locks(locks)
        made = make_host(work, locks)
        given = variables(made, work, locks)
        good, bad = work / "good.json", work / "bad.json"
        ok_bytes = observe(made, given, good)
        tree = made.tree("train")
        thaw(tree)
        for number in range(300):
            put(tree / f"lib/python3.12/site-packages/requests/m{number}.py", "")
        bad_bytes = observe(made, given, bad)
        say(f"observation: {ok_bytes} bytes in order, {bad_bytes} bytes drifted; {len(ENVS)} environments")
        results = {}
        for size in sizes:
            place = work / f"hosts{size}.json"
            inventory(place, size, given, good, bad)
            yardstick = work / "yardstick.yml"
            yardstick.write_text(YARDSTICK)
            bare_wall, bare_cpu, _, bare_status = run(place, str(yardstick))
            if size == sizes[0]:
                cold, cold_cpu, _, _ = run(place, "playbooks/audit.yml")
                say(f"{size:5} hosts: {cold:6.2f} s wall, {cold_cpu:6.2f} s CPU, {len(ENVS) * len(TIERS)} locks read")
            wall, cpu, memory, status = run(place, "playbooks/audit.yml")
            report = json.loads((work / "reports/report.json").read_text())
            expected = {"drift": sum(1 for n in range(size) if n % 20 == 7), "unknown": 0, "maintenance": 0}
            expected["parity"] = size - expected["drift"]
            if report["counts"] != expected or status != 2 or bare_status:
                say(json.dumps(report["results"][0]["drift"], indent=1) + place.with_suffix(".log").read_text()[:3000])
                sys.exit(f"the audit itself went wrong: {report['counts']}, exit {status}")
            results[size] = wall
            page = (work / "reports/report.html").stat().st_size / 1e6
            say(f"{size:5} hosts: {wall:6.2f} s wall, {cpu:6.2f} s CPU, {memory:4.0f} MB, page {page:.2f} MB")
            say(
                f"      one bare task on the same hosts: {bare_wall:6.2f} s wall, {bare_cpu:6.2f} s CPU; "
                f"the whole audit costs {wall / bare_wall:.1f} times that, {cpu / bare_cpu:.1f} in CPU"
            )
        thaw(work)
    first = sizes[0]
    if first == 100:
        say(f"goal for 100 hosts: {GOAL_SECONDS} s, {GOAL_MB:.0f} MB; time / goal = {results[100] / GOAL_SECONDS:.2f}")
    for size in sizes[1:]:
        say(f"growth: {size / first:.0f} times the hosts, {results[size] / results[first]:.1f} times the time")


if __name__ == "__main__":
    main()
