"""Make a fleet, report its state, remove it. Each step inspects first and does only what is missing."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from local.fleet import image, paths
from local.fleet.errors import FleetError
from local.fleet.model import Fleet, Host
from local.fleet.podman import Podman, write_if_changed

Say = Callable[[str], None]
T = TypeVar("T")
READY_SECONDS = 90
CONNECTIONS = Path("/run/lockstep/cp")  # as the inventories' ansible_control_path_dir says
PORT = 8000
SERVER = paths.FAKES / "channel" / "serve.py"


def spec_of(*parts: Any) -> str:
    """Return a digest of what a container is made from; a container with another digest is made again."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def strangers(present: list[dict[str, Any]]) -> list[str]:
    """Return other checkouts that made some of these containers; a removed checkout owns none."""
    made = {str((c["Labels"] or {}).get("lockstep.checkout", "")) for c in present} - {str(paths.CHECKOUT)}
    return sorted(folder for folder in made if folder and Path(folder).is_dir())


def ours(podman: Podman, fleet: str) -> dict[str, dict[str, Any]]:
    """Return a fleet's containers by name.

    :raises FleetError: if another checkout made a fleet of this name: its hosts are not taken over
    """
    present = podman.listed(fleet)
    others = strangers(present)
    if others:
        raise FleetError(
            f"a fleet {fleet} was made from {', '.join(others)} and is still there", "run there: make down"
        )
    return {container["Names"][0]: container for container in present}


def up(podman: Podman, fleet: Fleet, channel: Path | None, say: Say) -> int:
    """Make what is missing; return how many containers were made or started. `channel`: the folder to serve."""
    podman.prepare()
    present = ours(podman, fleet.name)
    state = paths.state(fleet.name)
    state.mkdir(parents=True, exist_ok=True)
    (CONNECTIONS / fleet.name).mkdir(parents=True, exist_ok=True)
    key = _key(state)
    # one after the other: the package archive is the bottleneck, and two at once need twice the memory
    images = {suite: image.ensure(podman, suite, say) for suite in sorted({h.suite for h in fleet.hosts})}
    _network(podman, fleet, say)
    if (
        channel and (channel / "summary.json").exists()
    ):  # the inventory's variables look here: version and hash of the installer
        write_if_changed(state / "channel.json", (channel / "summary.json").read_text())
    wanted: dict[str, Callable[[], bool]] = {}
    if channel:
        server = images[min(images)]
        wanted[fleet.container("channel")] = lambda: _serve(podman, fleet, server, channel, present, say)
    for host in fleet.hosts:
        wanted[fleet.container(host.name)] = lambda h=host: _start(podman, fleet, h, images[h.suite], key, present, say)  # type: ignore[misc]
    for name in sorted(set(present) - set(wanted)):
        say(f"{name}: no longer in the inventory, removed")
        podman.run("rm", "--force", "--time", "0", name)
    with ThreadPoolExecutor(4) as pool:
        made = [job.result() for job in [pool.submit(step) for step in wanted.values()]]
    address(podman, fleet)
    marks = [_provisioned(fleet.container(host.name)) for host in fleet.hosts]
    if any(made) or not trusted(state / "known_hosts", fleet, marks):
        trust(podman, fleet, state / "known_hosts")
    return sum(made)


def _provisioned(container: str) -> Path:
    """Return the file that records that a host is provisioned; it is written last."""
    return paths.run() / "provisioned" / container


def trusted(known: Path, fleet: Fleet, marks: list[Path]) -> bool:
    """Whether known_hosts is of exactly these hosts, and none became ready later: a run may be cut off before it.

    :param marks: files written when a host became ready
    """
    if not known.exists():
        return False
    written = known.stat().st_mtime_ns
    if any(mark.exists() and mark.stat().st_mtime_ns > written for mark in marks):
        return False
    return {line.split(" ")[0] for line in known.read_text().splitlines()} == {h.address for h in fleet.hosts}


def trust(podman: Podman, fleet: Fleet, known: Path) -> None:
    """Write known_hosts; keys are read through podman, a way in that needs no trust in the network."""
    text = "".join(f"{host.address} {_host_key(podman, fleet, host)}\n" for host in fleet.hosts)
    write_if_changed(known, text, 0o600)
    known.touch()


def _key(state: Path) -> Path:
    key = state / "id_ed25519"
    if not key.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lockstep-local", "-f", str(key)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    return key.with_suffix(".pub")


def overlapping(subnet: ipaddress.IPv4Network, routes: list[dict[str, Any]]) -> str | None:
    """The interface among ``ip -json route`` entries whose network overlaps, or None."""
    for route in routes:
        target = str(route.get("dst", "default"))
        if target != "default" and ipaddress.ip_network(target, strict=False).overlaps(subnet):
            return f"{target} on {route.get('dev', '?')}"
    return None


def _network(podman: Podman, fleet: Fleet, say: Say) -> None:
    found = podman.run("network", "inspect", fleet.network, check=False)
    if found.returncode == 0:
        have = json.loads(found.stdout)[0]["subnets"][0]["subnet"]
        if have == str(fleet.subnet):
            return
        raise FleetError(
            f"network {fleet.network} exists with subnet {have}, the inventory says {fleet.subnet}",
            "run: make down, then up again",
        )
    routes = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=False).stdout
    taken = overlapping(fleet.subnet, json.loads(routes or "[]"))
    if taken:
        raise FleetError(
            f"subnet {fleet.subnet} is taken on this machine: {taken}",
            "set another fleet_subnet (and addresses) in the inventory",
        )
    say(f"network {fleet.network}: {fleet.subnet}, without a way out")
    label = f"lockstep.fleet={fleet.name}"
    podman.run(
        "network",
        "create",
        "--internal",
        "--disable-dns",
        "--subnet",
        str(fleet.subnet),
        "--label",
        label,
        fleet.network,
    )


def address(podman: Podman, fleet: Fleet) -> None:
    """Set the address of this machine on the network: netavark sets none on an internal network without DNS.

    The bridge exists only while the network has a container, so this follows every start.
    """
    bridge = json.loads(podman.run("network", "inspect", fleet.network).stdout)[0]["network_interface"]
    wanted = f"{fleet.subnet.network_address + 1}/{fleet.subnet.prefixlen}"
    have = subprocess.run(
        ["ip", "-4", "-oneline", "address", "show", "dev", bridge], capture_output=True, text=True, check=False
    )
    if have.returncode == 0 and f" {wanted} " not in have.stdout:
        subprocess.run(["ip", "address", "replace", wanted, "dev", bridge], check=True, capture_output=True)


def _ensure(
    podman: Podman, fleet: Fleet, name: str, spec: str, create: list[str], present: dict[str, Any], say: Say
) -> str:
    """Ensure that a container runs; return "" if it ran, otherwise "started" or "made"."""
    there = present.get(name)
    if there and there["Labels"].get("lockstep.spec") == spec:
        if there["State"] == "running":
            return ""
        if there["State"] == "paused":
            podman.run("unpause", name)
            return "started"
        podman.run("start", name)
        return "started"
    if there:
        say(f"{name}: made from something else, made anew")
    about = {"fleet": fleet.name, "spec": spec, "checkout": str(paths.CHECKOUT)}
    labels = [argument for key, value in about.items() for argument in ("--label", f"lockstep.{key}={value}")]
    podman.run(
        "run",
        "--detach",
        "--replace",
        "--name",
        name,
        *labels,
        "--cgroup-parent",
        "/lockstep",
        "--network",
        fleet.network,
        *create,
    )
    return "made"


def _start(podman: Podman, fleet: Fleet, host: Host, tag: str, key: Path, present: dict[str, Any], say: Say) -> bool:
    started = time.monotonic()
    name = fleet.container(host.name)
    create = ["--hostname", host.name, "--systemd=always", "--ip", host.address, "--mac-address", host.mac]
    create += ["--volume", f"{key}:/etc/ssh/fleet_authorized_keys:ro", tag]
    done = _ensure(podman, fleet, name, spec_of(create, host.linger, host.gpu, key.read_text()), create, present, say)
    mark = _provisioned(name)  # written last: a run that was interrupted provisions again
    if not done and mark.exists():
        return False
    mark.unlink(missing_ok=True)
    _wait(podman, name)
    gpu = [str(host.gpu[k]) for k in ("name", "memory_mib", "driver", "cuda", "count")] if host.gpu else []
    podman.root(name, '/usr/local/sbin/lockstep-provision "$@"', "yes" if host.linger else "no", *gpu)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    gpu_note = f", simulated GPU {host.gpu['name']}" if host.gpu else ""
    say(
        f"{host.name}: {host.suite} at {host.address}{gpu_note}, {done or 'provisioned'}"
        f" in {time.monotonic() - started:.1f} s"
    )
    return True


def _wait(podman: Podman, name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    state = ""
    while time.monotonic() < deadline:
        state = podman.run("exec", name, "systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state == "running":
            return
        if state == "degraded":
            failed = podman.run(
                "exec", name, "systemctl", "--failed", "--no-legend", "--plain", check=False
            ).stdout.strip()
            raise FleetError(f"{name}: units failed at boot:\n  {failed}", f"podman exec {name} journalctl -b says why")
        time.sleep(0.3)
    raise FleetError(f"{name}: not up after {READY_SECONDS} s (systemd says {state or 'nothing'})")


def _serve(podman: Podman, fleet: Fleet, tag: str, folder: Path, present: dict[str, Any], say: Say) -> bool:
    overrides = paths.state(fleet.name) / "overrides"
    overrides.mkdir(exist_ok=True)
    name = fleet.container("channel")
    volumes = [f"{folder}:/srv/channel:ro", f"{overrides}:/srv/overrides:ro", f"{SERVER}:/srv/serve.py:ro"]
    create = [
        "--hostname",
        "channel",
        "--ip",
        fleet.channel_address,
        "--mac-address",
        Host("channel", fleet.channel_address).mac,
    ]
    create += ["--read-only", "--stop-signal", "SIGKILL", "--user", "1002", "--entrypoint", "python3"]
    create += [argument for volume in volumes for argument in ("--volume", volume)]
    create += [tag, "-I", "-B", "/srv/serve.py", fleet.channel_address, str(PORT), "/srv/overrides", "/srv/channel"]
    done = _ensure(podman, fleet, name, spec_of(create, SERVER.read_text()), create, present, say)
    if done:
        say(f"channel: http://{fleet.channel_address}:{PORT}/, {done}")
    return bool(done)


def _host_key(podman: Podman, fleet: Fleet, host: Host) -> str:
    return (
        podman.run("exec", fleet.container(host.name), "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        .stdout.rsplit(" ", 1)[0]
        .strip()
    )


def status(podman: Podman, fleet: Fleet) -> list[tuple[str, str, str, str]]:
    """Return rows of name, address, state and notes for the channel and every host."""
    podman.prepare()
    present = {c["Names"][0]: c["State"] for c in podman.listed(fleet.name)}
    rows = [("channel", fleet.channel_address, present.get(fleet.container("channel"), "absent"), "")]
    for host in fleet.hosts:
        notes = [
            host.suite,
            *([] if host.linger else ["no linger"]),
            *([f"simulated GPU {host.gpu['name']}"] if host.gpu else []),
        ]
        rows.append((host.name, host.address, present.get(fleet.container(host.name), "absent"), ", ".join(notes)))
    return rows


def down(podman: Podman, fleet: str, say: Say) -> None:
    """Remove a fleet's containers, network and keys; what podman left elsewhere goes with the last fleet.

    A fleet of the same name that another checkout made is left alone.
    """
    there = podman.listed(fleet)
    others = strangers(there)
    if others:
        say(f"fleet {fleet} was made from {', '.join(others)}: left alone")
        return
    names = [c["Names"][0] for c in there]
    if names:
        say(f"removing {len(names)} containers of fleet {fleet}")
        podman.run("rm", "--force", "--volumes", "--time", "0", *names)
    network = f"lockstep-{fleet}"
    if podman.run("network", "exists", network, check=False).returncode == 0:
        podman.run("network", "rm", "--force", network)
    state = paths.state(fleet)
    for name in ("id_ed25519", "id_ed25519.pub", "known_hosts", "channel.json"):
        (state / name).unlink(missing_ok=True)
    for socket in (CONNECTIONS / fleet).glob("*"):  # ssh connections that Ansible keeps open
        subprocess.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "gone"], capture_output=True, check=False)
    shutil.rmtree(CONNECTIONS / fleet, ignore_errors=True)
    _cgroups()
    for path in podman.leave():
        say(f"removed {path}")


def down_all(podman: Podman, say: Say) -> None:
    """Remove every fleet that was made from this checkout."""
    ours = [c for c in podman.listed() if c["Labels"].get("lockstep.checkout") == str(paths.CHECKOUT)]
    fleets = {c["Labels"]["lockstep.fleet"] for c in ours}
    for fleet in sorted(fleets | {"local"}):
        down(podman, fleet, say)


def _cgroups() -> None:
    for parent in [*Path("/sys/fs/cgroup").glob("*/lockstep"), Path("/sys/fs/cgroup/lockstep")]:
        for folder in [*sorted(parent.rglob("*/"), reverse=True), parent]:
            try:
                folder.rmdir()
            except OSError:  # in use by another fleet, or never there
                continue


def ssh_command(fleet: Fleet, host: str, user: str, command: list[str]) -> list[str]:
    """Return the ssh command line that Ansible would use for a host."""
    state = paths.state(fleet.name)
    options = [
        "-F",
        "/dev/null",
        "-i",
        str(state / "id_ed25519"),
        "-o",
        f"UserKnownHostsFile={state / 'known_hosts'}",
        "-o",
        "StrictHostKeyChecking=yes",
    ]
    options += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    tail = [" ".join(command)] if command else []  # as ssh does: a line for the shell over there
    return ["ssh", *options, f"{user}@{fleet.host(host).address}", *tail]
