"""``python -m local.fakes.ec2``: the emulated EC2, the local stack on it, and its container hosts."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from local.fakes.aws_provider.cloud import Cloud
from local.fakes.ec2 import reconcile, stack
from local.fakes.ec2.stack import say
from local.fleet import lifecycle, paths
from local.fleet.__main__ import locked
from local.fleet.errors import FleetError, reported
from local.fleet.podman import Podman

NO_ENGINE = 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.fakes.ec2", description=__doc__)
    parser.add_argument("--stack", default="local", help="the stack (default: local)")
    parser.add_argument(
        "--project", type=Path, default=paths.CHECKOUT, help="the Pulumi project (default: the checkout)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="engine, emulated EC2, pulumi up, hosts; exit code 3: no engine can be had")
    again = commands.add_parser("reconcile", help="make the container hosts fit the instances there are")
    for command in (up, again):
        command.add_argument("--no-channel", action="store_true", help="serve no channel")
    commands.add_parser("endpoint", help="start the emulated EC2 only, and print where it is")
    commands.add_parser("status", help="instances and their hosts")
    commands.add_parser("env", help='settings for pulumi by hand: eval "$(python -m local.fakes.ec2 env)"')
    other = commands.add_parser(
        "preview", help="pulumi preview of another stack, given as its file, here; more goes to pulumi"
    )
    other.add_argument("file", type=Path, metavar="Pulumi.NAME.yaml")
    other.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("down", help="remove the hosts, the emulated EC2 and the stack's state")
    return parser


def main() -> int:
    """Run one command."""
    arguments = _parser().parse_args()
    try:
        with stack.cloud_errors():
            return _run(arguments, stack.Stack(arguments.stack, arguments.project.resolve()), Podman())
    except stack.NoEngine as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_ENGINE


def _run(arguments: argparse.Namespace, it: stack.Stack, podman: Podman) -> int:
    if arguments.command == "up":
        cloud = stack.provision(it, say)
        _reconcile(podman, cloud, it, arguments.no_channel)
    elif arguments.command == "reconcile":
        process, how = it.endpoint.up()
        if how != "running":
            say(f"emulated EC2 at {process.url}: {how}")
        _reconcile(podman, it.cloud(process.url), it, arguments.no_channel)
    elif arguments.command == "endpoint":
        print(it.endpoint.up()[0].url)
    elif arguments.command == "env":
        print(stack.shell(it))
    elif arguments.command == "preview":
        return stack.preview(it, arguments.file, arguments.argv, say)
    elif arguments.command == "status":
        _status(podman, it)
    else:
        _down(podman, it)
    return 0


def _reconcile(podman: Podman, cloud: Cloud, it: stack.Stack, no_channel: bool) -> None:
    started = time.monotonic()
    podman.prepare()
    channel = paths.cache() / "channel" / "current"
    if not no_channel and not (channel / "local-forge").is_dir():
        raise FleetError(
            f"no channel to serve in {channel}", "run: python -m local.fakes.channel (or give --no-channel)"
        )
    with locked(podman):
        changed = reconcile.reconcile(podman, cloud, it.name, None if no_channel else channel.resolve(), say)
    print(f"stack {it.name}: {changed or 'no'} hosts made, changed or removed ({time.monotonic() - started:.1f} s)")


def _status(podman: Podman, it: stack.Stack) -> None:
    process = it.endpoint.answering()
    if not process:
        print(f"emulated EC2 of stack {it.name}: not running")
        return
    print(f"emulated EC2 of stack {it.name}: {process.url} (process {process.pid})")
    for row in reconcile.status(podman, it.cloud(process.url), it.name):
        print("{:<14} {:<20} {:<14} {}".format(*row))


def _down(podman: Podman, it: stack.Stack) -> None:
    podman.prepare()
    lifecycle.down(podman, it.name, say)
    if it.endpoint.down():
        say("emulated EC2 ended")
    it.endpoint.forget()
    for folder in ("ec2", "pulumi", "preview"):
        shutil.rmtree(it.folder / folder, ignore_errors=True)
    it.inventory.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(reported(main))
