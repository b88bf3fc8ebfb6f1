"""Cause a fault on a host, and end it: each lever is one fault that real machines have."""

from __future__ import annotations

from collections.abc import Callable

from local.fleet.errors import FleetError
from local.fleet.lifecycle import _wait, address
from local.fleet.model import Fleet
from local.fleet.podman import Podman


def pause(podman: Podman, fleet: Fleet, host: str) -> None:
    """Freeze every process: connections hang, nothing answers."""
    podman.run("pause", fleet.container(fleet.host(host).name))


def unpause(podman: Podman, fleet: Fleet, host: str) -> None:
    """Continue the processes of a paused host."""
    podman.run("unpause", fleet.container(fleet.host(host).name))


def kill(podman: Podman, fleet: Fleet, host: str) -> None:
    """Stop a host as a power cut does: SIGKILL to all, nothing is flushed by the programs."""
    name = fleet.container(fleet.host(host).name)
    podman.run("kill", "--signal", "KILL", name)
    podman.run("wait", name)  # kill only sends the signal; a start that came too soon would find it running


def start(podman: Podman, fleet: Fleet, host: str) -> None:
    """Start a killed host again, with the same address, and wait until it is up."""
    name = fleet.container(fleet.host(host).name)
    podman.run("start", name)
    address(podman, fleet)
    _wait(podman, name)


def cut(podman: Podman, fleet: Fleet, host: str) -> None:
    """Disconnect the host's network; its processes continue."""
    podman.run("network", "disconnect", "--force", fleet.network, fleet.container(fleet.host(host).name))


def restore(podman: Podman, fleet: Fleet, host: str) -> None:
    """Connect the network again, with the same address and MAC."""
    it = fleet.host(host)
    podman.run(
        "network", "connect", "--ip", it.address, "--mac-address", it.mac, fleet.network, fleet.container(it.name)
    )
    address(podman, fleet)


def reject(podman: Podman, fleet: Fleet, host: str, port: str) -> None:
    """Refuse new and running TCP to or from one port, inside the host's own network namespace."""
    script = """
        nft list table inet lockstep_fault >/dev/null 2>&1 || nft -f - <<'NFT'
        table inet lockstep_fault {
          set ports { type inet_service; }
          chain in  { type filter hook input priority 0;  tcp dport @ports reject with tcp reset; }
          chain out { type filter hook output priority 0; tcp dport @ports reject with tcp reset; }
        }
NFT
        nft add element inet lockstep_fault ports "{ $1 }"
    """
    podman.root(fleet.container(fleet.host(host).name), script, port)


def accept(podman: Podman, fleet: Fleet, host: str) -> None:
    """Remove every such rule."""
    podman.root(fleet.container(fleet.host(host).name), "nft delete table inet lockstep_fault 2>/dev/null || true")


def fill(podman: Podman, fleet: Fleet, host: str, path: str, size: str) -> None:
    """Mount a small file system of user ml at a path (size as 8M), hiding what was there: more is a true ENOSPC."""
    script = 'mkdir -p "$1"; mount -t tmpfs -o "size=$2,uid=1001,gid=1001,mode=0755" lockstep-fault "$1"'
    podman.root(fleet.container(fleet.host(host).name), script, path, size)


def readonly(podman: Podman, fleet: Fleet, host: str, path: str) -> None:
    """Make a folder read-only as a file system that hit an error does; what is in it stays visible."""
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"'
    podman.root(fleet.container(fleet.host(host).name), script, path)


def unmount(podman: Podman, fleet: Fleet, host: str, path: str) -> None:
    """Undo `fill` or `readonly` at a path."""
    podman.root(fleet.container(fleet.host(host).name), 'umount --lazy "$1"', path)


LEVERS: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "pause": (pause, ()),
    "unpause": (unpause, ()),
    "kill": (kill, ()),
    "start": (start, ()),
    "cut": (cut, ()),
    "restore": (restore, ()),
    "reject": (reject, ("PORT",)),
    "accept": (accept, ()),
    "fill": (fill, ("PATH", "SIZE")),
    "readonly": (readonly, ("PATH",)),
    "unmount": (unmount, ("PATH",)),
}


def apply(podman: Podman, fleet: Fleet, lever: str, host: str, arguments: list[str]) -> None:
    """Pull a lever by name; FleetError for an unknown one or wrong arguments."""
    if lever not in LEVERS:
        raise FleetError(f"no fault called {lever!r}", "there are: " + ", ".join(LEVERS))
    function, names = LEVERS[lever]
    if len(arguments) != len(names):
        raise FleetError(f"fault {lever} needs: HOST {' '.join(names)}")
    podman.prepare()
    function(podman, fleet, host, *arguments)
