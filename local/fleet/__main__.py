"""``python -m local.fleet``: the fleet on this machine from the command line."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.fleet import fault, lifecycle, model, paths
from local.fleet.errors import FleetError, reported
from local.fleet.podman import Podman


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.fleet", description="Container hosts on this machine.")
    parser.add_argument(
        "--inventory",
        type=Path,
        default=paths.inventory(),
        help="what the hosts are (default: that of `make up`)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make and start what is missing")
    up.add_argument("--channel", type=Path, help="folder to serve as the offline channel (default: the one made last)")
    up.add_argument("--no-channel", action="store_true", help="serve no channel")
    down = commands.add_parser("down", help="remove the fleet's containers, network and keys")
    down.add_argument("--all", action="store_true", help="every fleet that this checkout made (Molecule's as well)")
    commands.add_parser("status", help="what is there and how it is")
    ssh = commands.add_parser("ssh", help="a shell or a command on a host")
    ssh.add_argument("--user", default="ml")
    ssh.add_argument("host")
    ssh.add_argument("argv", nargs=argparse.REMAINDER)
    exec_ = commands.add_parser(
        "exec", help="a sh script as root in a host, read from standard input (provisioning, faults)"
    )
    exec_.add_argument("host")
    levers = commands.add_parser("fault", help="break a host on purpose: " + ", ".join(fault.LEVERS))
    levers.add_argument("lever")
    levers.add_argument("host")
    levers.add_argument("arguments", nargs="*")
    return parser


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"  {text}", flush=True)


def main() -> int:
    """Run one command."""
    arguments = _parser().parse_args()
    podman = Podman()
    if arguments.command == "down" and arguments.all:
        podman.prepare()
        lifecycle.down_all(podman, say)
        return 0
    fleet = model.load(arguments.inventory)
    if arguments.command == "up":
        _up(podman, fleet, arguments)
    elif arguments.command == "down":
        podman.prepare()
        lifecycle.down(podman, fleet.name, say)
    elif arguments.command == "status":
        for row in lifecycle.status(podman, fleet):
            print("{:<12} {:<12} {:<9} {}".format(*row).rstrip())
    elif arguments.command == "ssh":
        command = lifecycle.ssh_command(fleet, arguments.host, arguments.user, arguments.argv)
        os.execvp(command[0], command)
    elif arguments.command == "exec":
        podman.prepare()
        sys.stdout.write(podman.root(fleet.container(fleet.host(arguments.host).name), sys.stdin.read()))
    else:
        fault.apply(podman, fleet, arguments.lever, arguments.host, arguments.arguments)
    return 0


@contextmanager
def locked(podman: Podman) -> Iterator[None]:
    """Hold the lock for images: several fleets can come up at the same time, but images are made once."""
    with (podman.base / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _up(podman: Podman, fleet: model.Fleet, arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    podman.prepare()
    channel = arguments.channel or paths.cache() / "channel" / "current"
    if not arguments.no_channel and not (channel / "local-forge").is_dir():
        raise FleetError(f"no channel to serve in {channel}", "run: make artefacts (or give --no-channel)")
    with locked(podman):
        made = lifecycle.up(podman, fleet, None if arguments.no_channel else channel.resolve(), say)
    print(
        f"fleet {fleet.name}: {len(fleet.hosts)} hosts, {made or 'nothing'} made or started "
        f"({time.monotonic() - started:.1f} s)"
    )


if __name__ == "__main__":
    sys.exit(reported(main))
