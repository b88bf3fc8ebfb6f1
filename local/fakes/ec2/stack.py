"""The local stack: the checkout's own Pulumi program, run by a real engine against the emulated EC2."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.fakes.aws_provider.cloud import ERRORS, Cloud
from local.fakes.ec2 import orphans
from local.fakes.ec2.endpoint import REGION, Endpoint, ours, start_time
from local.fleet import lifecycle, paths
from local.fleet.errors import FleetError
from local.fleet.lifecycle import Say
from local.pulumi_engine.ensure import ensure as ensure_engine
from local.pulumi_engine.environment import settings
from local.pulumi_engine.places import EngineError

PLUGIN = paths.FAKES / "aws_provider" / "bin"
LINE = re.compile(
    r"^ *(?P<sign>[-+~]{1,2}) +(?P<type>\S+) (?P<name>\S+) "
    r"(?P<what>(created|updated|deleted|replaced)[a-z ]*) \([\d.]+s\)"
)
LOCKED = re.compile(r"currently locked by")


class NoEngine(FleetError):
    """There is no Pulumi engine on this machine, and none can be made."""


@dataclass(frozen=True)
class Stack:
    """One stack of a Pulumi project, with its state in this checkout."""

    name: str
    project: Path = paths.CHECKOUT
    state: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder of all files of this stack."""
        return self.state or paths.state(self.name)

    @property
    def endpoint(self) -> Endpoint:
        """Its emulated EC2."""
        return Endpoint(self.folder / "ec2")

    @property
    def inventory(self) -> Path:
        """The stack's output `inventory`, saved for the inventory plugin."""
        return self.folder / "inventory.json"

    def engine(self) -> Path:
        """Return the folder of the engine; raise NoEngine if there is none."""
        try:
            return Path(ensure_engine())
        except EngineError as error:
            raise NoEngine(str(error)) from None

    def settings(self, engine: Path, url: str) -> dict[str, str]:
        """Return the environment variables with which `pulumi` works on this stack."""
        found = settings(engine, self.folder / "pulumi")
        first = [str(paths.CHECKOUT / ".venv" / "bin")] if official(Path(found["PULUMI_HOME"])) else []
        first = first or [str(paths.CHECKOUT / ".venv" / "bin"), str(PLUGIN)]
        found["PATH"] = os.pathsep.join([*first, found["PATH"]])
        return {
            **found,
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "emulated",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def cloud(self, url: str) -> Cloud:
        """The cloud of the stack."""
        return Cloud(REGION, url)


def official(home: Path) -> bool:
    """Return whether the official provider plugin is installed for this engine; it then serves, with moto as endpoint.

    Pulumi would get it by ``pulumi plugin install resource aws <version>``, which needs its release server.
    """
    return any(path.is_dir() for path in home.glob("plugins/resource-aws-v*"))


class Pulumi:
    """Runs the engine for a stack; its output goes to a log, a line for each change to the terminal."""

    def __init__(self, stack: Stack, engine: Path, url: str, say: Say) -> None:
        self.stack, self.say = stack, say
        self.environment = {**ours(os.environ), **stack.settings(engine, url)}
        self.log = paths.CHECKOUT / ".lockstep" / "log" / f"pulumi-{stack.name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def quiet(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command for its output."""
        command = ["pulumi", *argv, "--non-interactive"]
        done = subprocess.run(
            command,
            cwd=self.stack.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise FleetError(f"pulumi {argv[0]} failed ({done.returncode}):\n{_ends(done.stdout + done.stderr)}")
        return done

    def change(self, *argv: str) -> None:
        """Run up, refresh or destroy with one line for each resource; remove a lock that a dead process left."""
        code, text = self._stream(argv)
        if code and LOCKED.search(text) and self._lock_is_stale():
            self.say("the stack was locked by a process that is no more: unlocked")
            end_language_hosts(self.stack.project)
            self.quiet("cancel", "--yes", "--stack", self.stack.name)
            code, text = self._stream(argv)
        if code:
            where = self.log.relative_to(paths.CHECKOUT)
            raise FleetError(f"pulumi {argv[0]} failed ({code}):\n{_ends(text)}", f"all it said is in {where}")

    def _stream(self, argv: tuple[str, ...]) -> tuple[int, str]:
        options = ("--yes", "--skip-preview", "--non-interactive", "--color", "never", "--suppress-outputs")
        command = ["pulumi", argv[0], "--stack", self.stack.name, *options, *argv[1:]]
        process = subprocess.Popen(
            command,
            cwd=self.stack.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        lines = []
        with self.log.open("a") as log:
            log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n")
            for line in process.stdout:
                log.write(line)
                log.flush()
                lines.append(line)
                told = LINE.match(line)
                if told:
                    self.say(f"{told['sign']:>2} {told['type']} {told['name']} {told['what'].strip()}")
        return process.wait(), "".join(lines)

    def _lock_is_stale(self) -> bool:
        """Return whether every lock of the stack is of a process on this machine that has ended."""
        locks = list((self.stack.folder / "pulumi" / "stacks" / ".pulumi" / "locks").rglob("*.json"))
        pids = [json.loads(lock.read_text()).get("pid") for lock in locks if self.stack.name in lock.parts]
        return all(isinstance(pid, int) and not _runs_pulumi(pid) for pid in pids)

    def _repair(self) -> None:
        """Remove empty files that a killed engine left beside those of the backend: it would refuse to read these."""
        for notes in (self.stack.folder / "pulumi" / "stacks").rglob("*.attrs"):
            try:
                json.loads(notes.read_bytes())
            except ValueError:
                notes.unlink()

    def select(self) -> None:
        """Ensure that the stack exists."""
        self._repair()
        found = json.loads(self.quiet("stack", "ls", "--json").stdout or "[]")
        if self.stack.name not in {item["name"] for item in found}:
            config = self.stack.project / f"Pulumi.{self.stack.name}.yaml"
            before = config.read_bytes() if config.exists() else None
            self.quiet("stack", "init", self.stack.name)
            if before is not None and config.read_bytes() != before:
                config.write_bytes(before)  # init writes a salt into the file; the local stack holds no secret

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the engine's state."""
        text = self.quiet("stack", "export", "--stack", self.stack.name).stdout
        found: list[dict[str, Any]] = (json.loads(text).get("deployment") or {}).get("resources") or []
        return found

    def output(self, name: str) -> Any:
        """Return one stack output, None if it is missing."""
        done = self.quiet("stack", "output", name, "--json", "--stack", self.stack.name, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None


def end_language_hosts(project: Path) -> int:
    """End language hosts of a project whose engine was killed, with the program that each runs; return how many.

    An engine starts them in process groups of their own, and they outlive it, 150 MB each.
    """
    ended = 0
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = file.read_bytes().split(b"\0")
            if not words[0].endswith(b"/pulumi-language-python"):
                continue
            parent = int(file.with_name("stat").read_text().rpartition(")")[2].split()[1])
            if words[words.index(b"-root") + 1] == os.fsencode(project) and not _runs_pulumi(parent):
                os.killpg(int(file.parent.name), signal.SIGKILL)
                ended += 1
    return ended


def _runs_pulumi(pid: int) -> bool:
    """Return whether a process id is a running pulumi: ids are used again, and an ended process may be a zombie."""
    try:
        return start_time(pid) is not None and Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except OSError:
        return False


def _ends(text: str) -> str:
    """Return the part of the engine's output that names the error."""
    said = text.partition("Diagnostics:")[2] or text
    # when a resource fails, the engine interrupts the program, whose traceback says nothing
    said = re.sub(r"(?m)^ *Traceback \(most recent call last\):\n(.*\n)*? *KeyboardInterrupt\n", "", said)
    lines = [
        line for line in said.strip().splitlines() if line.strip() and "warning: using pulumi-resource" not in line
    ]
    return "\n".join(f"  {line}" for line in lines[-30:])


def lost(cloud: Cloud, resources: list[dict[str, Any]]) -> bool:
    """Return whether the state names a network or instances that are not in the cloud."""
    ids = {r["id"] for r in resources if r.get("type") in ("aws:ec2/vpc:Vpc", "aws:ec2/instance:Instance")}
    there = {vpc["VpcId"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"]}
    for page in cloud.ec2.get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            for item in reservation["Instances"]:
                if item["State"]["Name"] not in ("terminated", "shutting-down"):
                    there.add(item["InstanceId"])
    return bool(ids - there)


def provision(stack: Stack, say: Say) -> Cloud:
    """Start engine and endpoint, run `pulumi up`, save the inventory; complete an interrupted run; return the cloud."""
    engine = stack.engine()
    stack.folder.mkdir(parents=True, exist_ok=True)
    lifecycle._key(stack.folder)
    process, how = stack.endpoint.up()
    say(f"emulated EC2 at {process.url}: {how}")
    cloud, pulumi = stack.cloud(process.url), Pulumi(stack, engine, process.url, say)
    kind = "the official provider" if official(Path(pulumi.environment["PULUMI_HOME"])) else "the fake provider"
    pulumi.select()
    before = pulumi.resources()
    if before and lost(cloud, before):
        say("the emulated EC2 does not have what the stack's state says: refreshed")
        pulumi.change("refresh")
        before = pulumi.resources()
    orphans.end(cloud, stack.name, before, say)
    say(f"pulumi up -s {stack.name}, with {kind}")
    pulumi.change("up")
    orphans.end(cloud, stack.name, pulumi.resources(), say)  # of a provider that outlived its engine for a moment
    inventory = pulumi.output("inventory")
    if inventory is not None:
        text = json.dumps(inventory, indent=2, sort_keys=True) + "\n"
        if not stack.inventory.exists() or stack.inventory.read_text() != text:
            stack.inventory.write_text(text)
    return cloud


def preview(stack: Stack, source: Path, argv: list[str], say: Say) -> int:
    """`pulumi preview` of another stack, given as its file Pulumi.NAME.yaml, on this stack's emulated EC2.

    In a copy of the project, because Pulumi writes into the configuration file of a stack that it makes. Key files that
    are not on this machine are replaced by the local fleet's.
    """
    named = re.fullmatch(r"Pulumi\.(.+)\.yaml", source.name)
    if not named or not source.is_file():
        raise FleetError(f"{source} is no stack's file", "name one that exists, such as Pulumi.dev.yaml")
    other = named[1]
    engine = stack.engine()
    stack.folder.mkdir(parents=True, exist_ok=True)
    key = lifecycle._key(stack.folder)
    process, _ = stack.endpoint.up()
    state = stack.folder / "preview"
    project = state / "project"
    project.mkdir(parents=True, exist_ok=True)
    for name in (*paths.PROGRAM, ".venv"):
        (project / name).unlink(missing_ok=True)
        (project / name).symlink_to(stack.project / name)
    shutil.copy(stack.project / "Pulumi.yaml", project)
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    access = config["config"].get("lockstep:access") or {}
    files = access.get("ssh_key_files") or []
    if any(not Path(file).expanduser().exists() for file in files):
        say(f"{', '.join(files)}: not on this machine, shown with the local fleet's key")
        access["ssh_key_files"] = [str(key)]
    (project / source.name).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    pulumi = Pulumi(Stack(other, project, state), engine, process.url, say)
    pulumi.select()
    command = ["pulumi", "preview", "--stack", other, "--non-interactive", *argv]
    return subprocess.run(command, cwd=project, env=pulumi.environment, check=False).returncode


def shell(stack: Stack) -> str:
    """Return the settings as lines for ``eval``; the engine and the endpoint must exist."""
    process = stack.endpoint.process()
    if not process:
        raise FleetError("the emulated EC2 is not running", "run: python -m local.fakes.ec2 up")
    found = stack.settings(stack.engine(), process.url)
    path = found.pop("PATH").removesuffix(os.environ.get("PATH", "")).rstrip(os.pathsep)
    lines = [f"export PATH='{path}':\"$PATH\""]
    lines.append("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
    return "\n".join([*lines, *(f"export {name}='{value}'" for name, value in sorted(found.items()))])


@contextmanager
def cloud_errors() -> Iterator[None]:
    """Turn errors of the emulated EC2 into FleetError; another program may end it at any time.

    :raises FleetError: in their place
    """
    try:
        yield
    except ERRORS as error:
        raise FleetError(f"the emulated EC2 failed: {error}", "run it again: it goes on from there") from error


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"  {text}", flush=True, file=sys.stdout)
