"""Make the container hosts agree with the EC2 instances: create missing hosts, remove others, keep the rest.

The emulated EC2 is the truth. A container belongs to an instance by its label; it counts as a host
only when real cloud-init has run the instance's user data to the end, as the checks in `accept` say. Each step inspects
what is there first, so the next run completes one that was killed. Containers without our labels are ignored.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import platform
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infra.userdata import MARKER
from local.fakes.aws_provider.cloud import Cloud
from local.fakes.ec2 import image
from local.fakes.ec2.machines import STACK_TAG, Machine, machines
from local.fleet import lifecycle, paths
from local.fleet.errors import FleetError
from local.fleet.lifecycle import Say, spec_of
from local.fleet.model import Fleet
from local.fleet.podman import Podman, write_if_changed

BOOT_SECONDS = 180
LABEL = "lockstep.instance"
DONE = {
    "make": "booted",
    "start": "started",
    "accept": "checked",
    "unpause": "thawed",
    "retype": "restarted as another type",
}
LOGS = ("/var/log/lockstep-provision.log", "/var/log/cloud-init-output.log")
LOOK = """
import json, os, subprocess, sys
marker, logs = sys.argv[1], sys.argv[2:]
code = subprocess.run(["cloud-init", "status", "--wait"], capture_output=True).returncode
try:
    result = json.load(open("/run/cloud-init/result.json"))["v1"]
except OSError:
    result = {}
units = subprocess.run(["systemctl", "--failed", "--no-legend", "--plain"], capture_output=True, text=True).stdout
tails = {}
for log in logs:
    if os.path.exists(log):
        tails[log] = open(log, errors="replace").read().strip().splitlines()[-12:]
print(json.dumps({"code": code, "result": result, "marker": os.path.exists(marker), "units": units, "tails": tails}))
"""


@dataclass(frozen=True)
class Step:
    """What to do with one container: remove, make, start, unpause, retype, stop, accept or keep."""

    action: str
    container: str
    machine: Machine | None = None
    reason: str = ""


def plan(
    fleet: Fleet,
    wanted: list[Machine],
    present: dict[str, dict[str, Any]],
    specs: dict[str, str],
    accepted: dict[str, str],
) -> list[Step]:
    """Return the steps from the present containers to the wanted machines; a pure function.

    `present`: name to what podman lists (State, Labels); `specs`: machine name to what its container is made from;
    `accepted`: instance ids whose first boot was found to have succeeded, and the GPUs that they then had.
    """
    steps = []
    names = {fleet.container(machine.name): machine for machine in wanted}
    for name in sorted(set(present) - set(names) - {fleet.container("channel")}):
        steps.append(Step("remove", name, reason="its instance is gone"))
    for name, machine in names.items():
        there = present.get(name)
        labels = (there or {}).get("Labels") or {}
        ours = labels.get(LABEL) == machine.identity and labels.get("lockstep.spec") == specs[machine.name]
        booted = there is not None and there["State"] not in ("created", "configured", "initialized")
        if not there or not ours or not booted:
            if not machine.running:
                steps += [Step("remove", name, machine, "its instance is another and stopped")] if there else []
                continue
            reason = "" if not there else "made for another instance" if not ours else "was cut off while being made"
            steps.append(Step("make", name, machine, reason))
        elif not machine.running:
            steps.append(Step("stop" if there["State"] == "running" else "keep", name, machine))
        elif accepted.get(machine.identity) and accepted[machine.identity] != gpus(machine):
            steps.append(Step("retype", name, machine))
        elif there["State"] != "running":
            steps.append(Step("unpause" if there["State"] == "paused" else "start", name, machine))
        else:
            steps.append(Step("keep" if machine.identity in accepted else "accept", name, machine))
    return steps


def described(cloud: Cloud, stack: str) -> list[dict[str, Any]]:
    """Return all instances of a stack that EC2 lists."""
    wanted = [{"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    pages = cloud.ec2.get_paginator("describe_instances").paginate(Filters=wanted)
    return [item for page in pages for reservation in page["Reservations"] for item in reservation["Instances"]]


def network_of(cloud: Cloud, stack: str) -> ipaddress.IPv4Network | None:
    """Return the address range of the stack's VPC; None if there is no VPC."""
    found = cloud.ec2.describe_vpcs(Filters=[{"Name": f"tag:{STACK_TAG}", "Values": [stack]}])["Vpcs"]
    if len(found) > 1:
        ids = ", ".join(vpc["VpcId"] for vpc in found)
        remedy = "python -m local.fakes.ec2 down, then up, starts afresh"
        raise FleetError(f"stack {stack} has several VPCs: {ids}", remedy)
    return ipaddress.IPv4Network(found[0]["CidrBlock"]) if found else None


def reconcile(podman: Podman, cloud: Cloud, stack: str, channel: Path | None, say: Say) -> int:
    """Make the containers agree with the stack's instances; return how many were made, started, stopped or removed.

    :param channel: the folder to serve as the offline channel, None for none
    """
    podman.prepare()
    present = lifecycle.ours(podman, stack)
    subnet = network_of(cloud, stack)
    if subnet is None:
        for name in present:
            _remove(podman, name)
            say(f"{name}: removed, stack {stack} has no network any more")
        return len(present)
    wanted = machines(described(cloud, stack), subnet)
    fleet = Fleet(stack, subnet, tuple(machine.host for machine in wanted))
    state = paths.state(stack)
    state.mkdir(parents=True, exist_ok=True)
    (lifecycle.CONNECTIONS / stack).mkdir(parents=True, exist_ok=True)
    suites = sorted({machine.host.suite for machine in wanted} | ({"bookworm"} if channel and not wanted else set()))
    images = {suite: image.ensure(podman, suite, say) for suite in suites}
    lifecycle._network(podman, fleet, say)
    specs = {m.name: spec_of(create(m, images[m.host.suite])) for m in wanted}
    accepted = {m.identity: _mark(fleet, m).read_text() for m in wanted if _mark(fleet, m).exists()}
    steps = plan(fleet, wanted, present, specs, accepted)
    # removals come first: addresses are used again
    for step in steps:
        if step.action == "make" and step.container in present:
            say(f"{step.container}: {step.reason}, made anew")
            _remove(podman, step.container)
    jobs: list[Callable[[], bool]] = []
    if channel:
        if (channel / "summary.json").exists():
            write_if_changed(state / "channel.json", (channel / "summary.json").read_text())
        jobs.append(lambda: lifecycle._serve(podman, fleet, images[suites[0]], channel, present, say))
    going = [step for step in steps if step.action == "remove"]
    for step in going:
        _do(podman, cloud, fleet, step, images, say)
    for step in steps:
        if step.action not in ("remove", "keep"):
            jobs.append(partial(_do, podman, cloud, fleet, step, images, say))
    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(job) for job in jobs]]
    lifecycle.address(podman, fleet)
    reachable = [m for m in wanted if m.running]
    running, known = Fleet(stack, subnet, tuple(m.host for m in reachable)), state / "known_hosts"
    if any(done) or going or not lifecycle.trusted(known, running, [_mark(fleet, m) for m in reachable]):
        lifecycle.trust(podman, running, known)
    return sum(done) + len(going)


def create(machine: Machine, tag: str) -> list[str]:
    """Return the arguments of `podman create` for this machine's container."""
    host = machine.host
    found = ["--hostname", host.name, "--systemd=always", "--ip", host.address, "--mac-address", host.mac]
    return [*found, "--label", f"{LABEL}={machine.identity}", tag]


def _mark(fleet: Fleet, machine: Machine) -> Path:
    """Return the file that records an instance's verified first boot and its GPUs."""
    return paths.state(fleet.name) / "ec2" / "accepted" / machine.identity


def _remove(podman: Podman, name: str) -> None:
    podman.run("rm", "--force", "--volumes", "--time", "2", name)


def _do(podman: Podman, cloud: Cloud, fleet: Fleet, step: Step, images: dict[str, str], say: Say) -> bool:
    started, machine, name = time.monotonic(), step.machine, step.container
    if step.action == "keep":
        return False
    if step.action == "remove" or machine is None:
        _remove(podman, name)
        say(f"{name.removeprefix(f'lockstep-{fleet.name}-')}: removed, {step.reason}")
        return True
    if step.action == "stop":
        podman.run("stop", "--time", "5", name)
        say(f"{machine.name}: stopped, as its instance is")
        return True
    tag = images[machine.host.suite]
    if step.action == "make":
        _make(podman, cloud, fleet, machine, name, tag)
    elif step.action in ("start", "unpause"):
        podman.run(step.action, name)
    elif step.action == "retype":
        _retype(podman, machine, name)
    wrong = accept(podman, name)
    if wrong and step.action != "make":  # interrupted in its first boot, or broken since: cloud-init does not run twice
        say(f"{machine.name}: {wrong.splitlines()[0]}; made anew")
        _make(podman, cloud, fleet, machine, name, tag)
        wrong = accept(podman, name)
    if wrong:
        raise FleetError(
            f"{machine.name} ({machine.identity}): {wrong}", f"the host is kept: podman exec -it {name} bash"
        )
    mark = _mark(fleet, machine)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(gpus(machine))
    note = f", simulated GPU {machine.host.gpu['count']} x {machine.host.gpu['name']}" if machine.host.gpu else ""
    say(
        f"{machine.name}: {machine.host.suite} at {machine.host.address} for {machine.identity}{note}, "
        f"{DONE[step.action]} in {time.monotonic() - started:.1f} s"
    )
    return True


def _make(podman: Podman, cloud: Cloud, fleet: Fleet, machine: Machine, name: str, tag: str) -> None:
    """Make a container with the instance's user data as cloud-init's seed; it starts when all files are in place."""
    _mark(fleet, machine).unlink(missing_ok=True)
    arguments = create(machine, tag)
    about = {"fleet": fleet.name, "spec": spec_of(arguments), "checkout": str(paths.CHECKOUT)}
    labels = [argument for key, value in about.items() for argument in ("--label", f"lockstep.{key}={value}")]
    if podman.run("container", "exists", name, check=False).returncode == 0:
        _remove(podman, name)
    podman.run(
        *("create", "--name", name, *labels, "--cgroup-parent", "/lockstep", "--network", fleet.network, *arguments)
    )
    tree = podman.base / "tmp" / f"seed-{name}"
    try:
        shutil.rmtree(tree, ignore_errors=True)
        seed(tree, machine, _user_data(cloud, machine))
        podman.run("cp", f"{tree}/.", f"{name}:/")
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    podman.run("start", name)


def _retype(podman: Podman, machine: Machine, name: str) -> None:
    """Change an instance's type as EC2 does: stop it, and start it with other hardware and the same disk."""
    podman.run("unpause", name, check=False)
    podman.run("start", name)
    podman.root(name, 'rm -f -- "$@"', *(f"/{path}" for path in _simulated()))
    podman.run("stop", "--time", "5", name)
    tree = podman.base / "tmp" / f"seed-{name}"
    try:
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        simulate(tree, machine.host.gpu)
        podman.run("cp", f"{tree}/.", f"{name}:/")
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    podman.run("start", name)


def _user_data(cloud: Cloud, machine: Machine) -> bytes:
    found = cloud.ec2.describe_instance_attribute(InstanceId=machine.identity, Attribute="userData")
    return base64.b64decode(found.get("UserData", {}).get("Value", ""))


def seed(tree: Path, machine: Machine, user_data: bytes) -> None:
    """Write the answers of EC2's metadata service, and the simulated GPU, as a tree to copy over the host's root."""
    nocloud = tree / "var/lib/cloud/seed/nocloud"
    nocloud.mkdir(parents=True)
    (nocloud / "user-data").write_bytes(user_data or b"#cloud-config\n{}\n")
    about = {"instance-id": machine.identity, "local-hostname": machine.name}
    (nocloud / "meta-data").write_text(json.dumps(about))
    simulate(tree, machine.host.gpu)


def gpus(machine: Machine) -> str:
    """Return the simulated GPUs of a machine as a line of text."""
    return json.dumps(machine.host.gpu, sort_keys=True)


def _simulated() -> tuple[str, str, str, str]:
    """Return the files below / that simulate a GPU."""
    library = f"usr/lib/{platform.machine()}-linux-gnu/libcuda.so.1"
    return "etc/lockstep-simulated-gpu", "etc/lockstep-simulated-cuda", library, "usr/bin/nvidia-smi"


def simulate(tree: Path, gpu: dict[str, Any]) -> None:
    """Write the files that simulate a GPU, if there is one, as a tree to copy over the host's root."""
    if not gpu:
        return
    about, cuda, library, program = _simulated()
    (tree / "etc").mkdir()
    (tree / about).write_text(
        "# simulated: there is no GPU here\nLOCKSTEP_SIMULATED_GPU=1\n"
        f"GPU_NAME='{gpu['name']} (simulated)'\nGPU_MEMORY_MIB={gpu['memory_mib']}\nGPU_DRIVER={gpu['driver']}\n"
        f"GPU_CUDA={gpu['cuda']}\nGPU_COUNT={gpu['count']}\n"
    )
    (tree / cuda).write_text(f"{gpu['cuda']}\n")
    for link, target in ((library, "libcuda.so.1"), (program, "nvidia-smi")):
        (tree / link).parent.mkdir(parents=True, exist_ok=True)
        (tree / link).symlink_to(f"/usr/lib/lockstep-sim/{target}")


def accept(podman: Podman, name: str) -> str:
    """Wait for the first boot; return "" if it succeeded by all signs, otherwise why not, with the logs' ends.

    `cloud-init status` alone is not enough: it says done for user data that is not YAML, and for a command that failed.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while True:  # systemd answers a moment after the start
        state = podman.run("exec", name, "systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state in ("running", "degraded"):
            break
        if time.monotonic() > deadline:
            return f"not up after {BOOT_SECONDS} s (systemd says {state or 'nothing'})"
        time.sleep(0.3)
    seen = podman.run(
        "exec", "--interactive", name, "python3", "-", MARKER, *LOGS, stdin=LOOK, check=False, timeout=BOOT_SECONDS
    )
    if seen.returncode:
        return f"cannot look inside: {seen.stderr.strip()[-300:]}"
    found = json.loads(seen.stdout)
    wrong = verdict(found)
    if not wrong:
        return ""
    tails = "".join(f"\n  the end of {log}:\n    " + "\n    ".join(lines) for log, lines in found["tails"].items())
    return wrong + tails


def verdict(found: dict[str, Any]) -> str:
    """Return why a first boot is not accepted, "" if it is."""
    result = found["result"]
    if found["code"]:
        return f"cloud-init status: exit code {found['code']}"
    if result.get("errors"):
        return "cloud-init: " + "; ".join(map(str, result["errors"]))
    if "NoCloud" not in str(result.get("datasource")):
        return f"cloud-init took another datasource: {result.get('datasource')}"
    if not found["marker"]:
        return f"user data did not run to its end: {MARKER} is missing"
    if found["units"].strip():
        return "units failed at boot: " + ", ".join(line.split()[0] for line in found["units"].strip().splitlines())
    return ""


def status(podman: Podman, cloud: Cloud, stack: str) -> list[tuple[str, str, str, str]]:
    """Return rows of name, instance, address and container state, for instances and for containers without one."""
    podman.prepare()
    present = {item["Names"][0]: item for item in podman.listed(stack)}
    subnet = network_of(cloud, stack)
    rows = []
    for machine in machines(described(cloud, stack), subnet) if subnet else []:
        there = present.pop(f"lockstep-{stack}-{machine.name}", None)
        ours = there and (there["Labels"] or {}).get(LABEL) == machine.identity
        state = there["State"] if there and ours else "of another instance" if there else "absent"
        rows.append((machine.name, machine.identity, machine.host.address, state))
    rows += [
        (name.removeprefix(f"lockstep-{stack}-"), "-", "-", item["State"]) for name, item in sorted(present.items())
    ]
    return rows
