"""Read the container hosts of an inventory as plain data; check them before anything is made."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.fleet import paths
from local.fleet.errors import FleetError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
SUITES = ("bookworm", "trixie")
GPU_KEYS = ("name", "memory_mib", "driver", "cuda", "count")


@dataclass(frozen=True)
class Host:
    """One container host; ``gpu`` describes a simulated one, ``linger`` is what provisioning grants user ml."""

    name: str
    address: str
    suite: str = "bookworm"
    linger: bool = True
    gpu: dict[str, Any] = field(default_factory=dict)

    @property
    def mac(self) -> str:
        """A fixed MAC: a host that comes back with a new one is unreachable until the controller's ARP entry ages."""
        return "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))


@dataclass(frozen=True)
class Fleet:
    """The hosts of one inventory and the network that they share; address .1 is this machine, .2 the channel."""

    name: str
    subnet: ipaddress.IPv4Network
    hosts: tuple[Host, ...]

    @property
    def network(self) -> str:
        """Name of the podman network."""
        return f"lockstep-{self.name}"

    @property
    def channel_address(self) -> str:
        """Where the offline channel is served."""
        return str(self.subnet.network_address + 2)

    def container(self, host: str) -> str:
        """Name of a host's container."""
        return f"lockstep-{self.name}-{host}"

    def host(self, name: str) -> Host:
        """The host called `name`; FleetError names those there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise FleetError(
            f"no host {name!r} in fleet {self.name}", "there are: " + ", ".join(h.name for h in self.hosts)
        )


def parse(listing: dict[str, Any], source: str) -> Fleet:
    """The fleet in the output of ``ansible-inventory --list``; FleetError names the host and variable that is wrong."""
    hostvars: dict[str, dict[str, Any]] = listing.get("_meta", {}).get("hostvars", {})
    if not hostvars:
        raise FleetError(f"{source}: no hosts", "an inventory of container hosts lists each with its ansible_host")
    names = {str(v.get("fleet_name", "")) for v in hostvars.values()}
    subnets = {str(v.get("fleet_subnet", "")) for v in hostvars.values()}
    if len(names) != 1 or len(subnets) != 1 or not NAME.fullmatch(next(iter(names))):
        raise FleetError(
            f"{source}: every host needs the same fleet_name (lower case, digits, hyphens) and fleet_subnet; "
            f"found {sorted(names)}, {sorted(subnets)}",
            "set both once under all: vars:",
        )
    try:
        subnet = ipaddress.IPv4Network(next(iter(subnets)))
    except ValueError as error:
        raise FleetError(f"{source}: fleet_subnet: {error}", "write it as 10.77.0.0/24") from None
    hosts = tuple(_host(name, variables, subnet, source) for name, variables in sorted(hostvars.items()))
    addresses = [h.address for h in hosts]
    for host in hosts:
        if addresses.count(host.address) > 1:
            raise FleetError(f"{source}: {host.name}: ansible_host {host.address} is given twice")
    return Fleet(next(iter(names)), subnet, hosts)


def _host(name: str, variables: dict[str, Any], subnet: ipaddress.IPv4Network, source: str) -> Host:
    where = f"{source}: {name}"
    if not NAME.fullmatch(name):
        raise FleetError(f"{where}: not a host name (lower case, digits, hyphens)")
    given = variables.get("ansible_host", "")
    if isinstance(given, dict):  # how ansible-inventory shows a string that an inventory plugin made
        given = given.get("__ansible_unsafe", "")
    try:
        address = ipaddress.IPv4Address(str(given))
    except ValueError:
        raise FleetError(f"{where}: ansible_host must be an address in {subnet}") from None
    if address not in subnet or int(address) - int(subnet.network_address) < 3 or address == subnet.broadcast_address:
        raise FleetError(
            f"{where}: ansible_host {address} must be in {subnet}; .1 (this machine) and .2 (the channel) are taken"
        )
    suite = str(variables.get("fleet_suite", "bookworm"))
    if suite not in SUITES:
        raise FleetError(f"{where}: fleet_suite {suite!r}", "one of " + ", ".join(SUITES))
    gpu = variables.get("fleet_gpu") or {}
    if not isinstance(gpu, dict) or set(gpu) - set(GPU_KEYS) or (gpu and set(GPU_KEYS) - set(gpu)):
        raise FleetError(f"{where}: fleet_gpu needs exactly " + ", ".join(GPU_KEYS))
    linger = variables.get("fleet_linger", True)
    if not isinstance(linger, bool):
        raise FleetError(f"{where}: fleet_linger must be true or false, not {linger!r}")
    return Host(name, str(address), suite, linger, gpu)


def load(inventory: Path) -> Fleet:
    """Read an inventory as Ansible does; FleetError when Ansible cannot."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(inventory), "--list"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=paths.CHECKOUT, check=False)
    except FileNotFoundError:
        raise FleetError("ansible-inventory is missing beside this Python", "run: make setup") from None
    if done.returncode:
        raise FleetError(f"{inventory}: {done.stderr.strip()[-800:]}")
    return parse(json.loads(done.stdout), str(inventory))
