"""The local stack as a whole: instances of the emulated EC2 become hosts, and whatever is cut off heals.

Real containers with systemd and cloud-init: needs root and podman, and takes minutes the first time (images).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.fakes.ec2.endpoint import Endpoint, start_time
from local.fakes.ec2.reconcile import described
from local.fakes.ec2.stack import Stack
from local.fleet import paths
from local.fleet.podman import Podman
from local.pulumi_engine.ensure import ensure
from local.pulumi_engine.places import EngineError
from tests.support.waiting import until

# of this checkout alone: another one's test may be running on this machine, or have been killed
OWN = hashlib.sha256(os.fsencode(paths.CHECKOUT)).hexdigest()
NAME = f"enginetest-{OWN[:6]}"
CIDR = f"10.98.{4 * (int(OWN[:4], 16) % 64)}.0/22"
BOOKWORM = "/aws/service/debian/release/12/latest/amd64"
CONFIG: dict[str, Any] = {
    "aws:region": "us-east-1",
    "lockstep:tier": "dev",
    "lockstep:host_prefix": "",
    "lockstep:protect": "false",
    "lockstep:network": {"cidr": CIDR, "zones": ["us-east-1a"], "egress": "none"},
    "lockstep:access": {
        "ssm": False,
        "connection": "private",
        "ssh_from": [CIDR],
        "ssh_key_files": [str(paths.state(NAME) / "id_ed25519.pub")],
    },
    "lockstep:groups": {"a": {"instance_type": "c7i.large", "count": 1, "ami": BOOKWORM}},
}

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("podman"), reason="container hosts need root and podman"
)


class Local:
    """`python -m local.fakes.ec2` on a stack of its own."""

    def __init__(self, project: Path) -> None:
        self.project, self.podman, self.stack = project, Podman(), Stack(NAME, project)
        self.podman.prepare()
        for name in (*paths.PROGRAM, ".venv"):
            (project / name).symlink_to(paths.CHECKOUT / name)
        shutil.copy(paths.CHECKOUT / "Pulumi.yaml", project)

    def configure(self, **group: Any) -> None:
        values = json.loads(json.dumps(CONFIG))
        values["lockstep:groups"]["a"] |= group
        (self.project / f"Pulumi.{NAME}.yaml").write_text(yaml.safe_dump({"config": values}))

    def command(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "local.fakes.ec2", "--stack", NAME, "--project", str(self.project), *argv]

    def run(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(
            self.command(*argv), cwd=paths.CHECKOUT, capture_output=True, text=True, check=False, timeout=900
        )
        if check and done.returncode:
            raise AssertionError(f"{argv}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def up(self) -> str:
        return self.run("up", "--no-channel")

    def cut_off(self, seconds: float, *argv: str) -> None:
        """Run a command and kill it with all below it after some time."""
        process = subprocess.Popen(
            self.command(*argv),
            cwd=paths.CHECKOUT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._end_orphans()

    def _end_orphans(self) -> None:
        """End the engine's language hosts, which have process groups of their own and name the project's folder."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                text = line.read_bytes()
                if b"pulumi-language-python" in text and os.fsencode(self.project) in text:
                    os.kill(int(line.parent.name), signal.SIGKILL)

    def hosts(self) -> dict[str, tuple[str, str]]:
        """Host to container id and state."""
        found = self.podman.listed(NAME)
        return {c["Names"][0].removeprefix(f"lockstep-{NAME}-"): (c["Id"], c["State"]) for c in found}

    def settled(self) -> bool:
        """Whether the one host runs for the one instance that there is."""
        process = self.stack.endpoint.answering()
        if not process or {name: state for name, (_, state) in self.hosts().items()} != {"a-01": "running"}:
            return False
        found = described(self.stack.cloud(process.url), NAME)
        living = [(i["InstanceType"], i["State"]["Name"]) for i in found if i["State"]["Name"] != "terminated"]
        return living == [(CONFIG["lockstep:groups"]["a"]["instance_type"], "running")]

    def ssh(self, host: str, command: str) -> str:
        inventory = json.loads(self.stack.inventory.read_text())
        state, address = paths.state(NAME), inventory["hosts"][host]["private_ip"]
        options = ["-F", "/dev/null", "-i", str(state / "id_ed25519"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"]
        options += ["-o", f"UserKnownHostsFile={state / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes"]
        done = subprocess.run(
            ["ssh", *options, f"ml@{address}", command], capture_output=True, text=True, check=False, timeout=120
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    try:
        ensure()
    except EngineError as error:
        pytest.skip(f"no Pulumi engine: {error}")
    made = Local(tmp_path_factory.mktemp("local"))
    try:
        made.configure()
        yield made
    finally:
        made.run("down", check=False)
        shutil.rmtree(paths.state(NAME), ignore_errors=True)


@pytest.fixture
def local(stack: Local) -> Local:
    """The stack with its one host running, whichever tests ran before and however they ended."""
    stack.configure()
    if not stack.settled():
        stack.up()
    return stack


def test_instances_become_hosts(local: Local) -> None:
    assert set(local.hosts()) == {"a-01"}
    said = local.ssh("a-01", "hostname; id -un; test -w /opt/lockstep && echo writable; cat /var/lib/lockstep/ready")
    assert said.startswith("a-01\nml\nwritable\n{")
    assert "sudo" not in local.ssh("a-01", "id -Gn; sudo -n true 2>&1 | head -1").partition("\n")[0]


def test_again_changes_nothing(local: Local) -> None:
    before = local.hosts()
    said = local.up()
    assert "no hosts made, changed or removed" in said
    assert " created" not in said
    assert local.hosts() == before


def test_one_more_and_one_less(local: Local) -> None:
    before = local.hosts()
    local.configure(count=2)
    local.up()
    both = local.hosts()
    assert set(both) == {"a-01", "a-02"}
    assert both["a-01"] == before["a-01"]
    local.configure(count=1)
    local.up()
    assert local.hosts() == before
    assert set(json.loads(local.stack.inventory.read_text())["hosts"]) == {"a-01"}


def test_a_stopped_host_is_started(local: Local) -> None:
    local.podman.run("kill", f"lockstep-{NAME}-a-01")
    local.podman.run("wait", f"lockstep-{NAME}-a-01")  # kill sends the signal and does not wait for the end
    before = local.hosts()
    assert before["a-01"][1] in ("stopped", "exited")  # exited once podman has also tidied up after it
    local.run("reconcile", "--no-channel")
    assert local.hosts() == {"a-01": (before["a-01"][0], "running")}
    assert local.ssh("a-01", "hostname") == "a-01\n"


def test_keys_that_a_run_was_cut_off_before_reading_are_read_by_the_next(local: Local) -> None:
    known = paths.state(NAME) / "known_hosts"
    right = known.read_text()
    key = right.split()[2]
    known.write_text(right.replace(key, key[:-8] + key[:-9:-1]))
    os.utime(known, (0, 0))  # of hosts before those that are there now
    assert "verification failed" in local.ssh("a-01", "hostname")
    local.run("reconcile", "--no-channel")
    assert known.read_text() == right and local.ssh("a-01", "hostname") == "a-01\n"


def test_a_paused_host_is_thawed(local: Local) -> None:
    before = local.hosts()
    local.podman.run("pause", f"lockstep-{NAME}-a-01")
    local.run("reconcile", "--no-channel")
    assert local.hosts() == before


def test_another_machine_type_is_the_same_host_with_another_gpu(local: Local) -> None:
    before, smi = local.hosts(), "nvidia-smi --query-gpu=name --format=csv,noheader"
    assert "NVIDIA" not in local.ssh("a-01", smi)
    local.ssh("a-01", "touch /opt/lockstep/kept")
    local.configure(instance_type="g6.xlarge")
    assert "restarted as another type" in local.up()
    assert local.ssh("a-01", f"{smi}; ls /opt/lockstep/kept") == "NVIDIA L4 (simulated)\n/opt/lockstep/kept\n"
    assert "no hosts made, changed or removed" in local.up()
    local.configure()
    local.up()
    assert "NVIDIA" not in local.ssh("a-01", smi)
    assert local.hosts() == before


def test_a_killed_endpoint_remembers(local: Local) -> None:
    before, process = local.hosts(), local.stack.endpoint.process()
    assert process
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: start_time(process.pid) != process.started, "it is dead")
    said = local.run("reconcile", "--no-channel")
    assert "started (restored)" in said
    assert "no hosts made" in said
    assert local.hosts() == before


def test_an_emptied_cloud_is_noticed_and_made_again(local: Local) -> None:
    before, endpoint = local.hosts(), Endpoint(local.stack.folder / "ec2")
    endpoint.down()
    endpoint.state.unlink()
    said = local.up()
    assert "does not have what the stack's state says" in said
    assert set(local.hosts()) == {"a-01"}
    assert local.hosts()["a-01"][0] != before["a-01"][0]  # another instance is another machine
    assert local.ssh("a-01", "hostname") == "a-01\n"


def test_instances_that_no_state_knows_are_ended(local: Local) -> None:
    process = local.stack.endpoint.process()
    assert process
    cloud = local.stack.cloud(process.url)
    there = cloud.ec2.describe_instances()["Reservations"]
    known = next(i for r in there for i in r["Instances"] if i["State"]["Name"] == "running")
    cloud.ec2.run_instances(  # what an update leaves that was killed between making and remembering
        ImageId=known["ImageId"],
        MinCount=1,
        MaxCount=1,
        SubnetId=known["SubnetId"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": known["Tags"]}],
    )
    assert "two instances have the name a-01" in local.run("reconcile", "--no-channel", check=False)
    before = local.hosts()
    assert "is in no stack's state" in local.up()
    assert local.hosts() == before


def test_cut_off_anywhere_it_is_finished_by_the_next(local: Local) -> None:
    for seconds in (2.0, 6.0, 9.0, 12.0, 16.0):
        local.run("down")
        local.cut_off(seconds, "up", "--no-channel")
        local.up()
        assert {name: state for name, (_, state) in local.hosts().items()} == {"a-01": "running"}, seconds
        assert local.ssh("a-01", "hostname") == "a-01\n", seconds


def test_user_data_that_fails_is_told_with_the_logs_end(local: Local) -> None:
    process = local.stack.endpoint.process()
    assert process
    cloud = local.stack.cloud(process.url)
    there = [i for r in cloud.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    known = next(i for i in there if i["State"]["Name"] == "running")
    tags = [{"Key": "Name", "Value": "broken"}, {"Key": "lockstep:stack", "Value": NAME}]
    made = cloud.ec2.run_instances(
        ImageId=known["ImageId"],
        MinCount=1,
        MaxCount=1,
        SubnetId=known["SubnetId"],
        UserData="#cloud-config\nruncmd:\n  - set -eu\n  - echo about to fail\n  - /bin/false\n  - touch /never\n",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    said = local.run("reconcile", "--no-channel", check=False)
    assert "error: broken (i-" in said
    assert "about to fail" in said
    assert "Traceback" not in said
    cloud.ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    local.run("reconcile", "--no-channel")
    assert set(local.hosts()) == {"a-01"}


def test_containers_of_others_are_not_seen(local: Local) -> None:
    other = f"lockstep-{NAME}-stranger"  # even by a name like ours
    image = local.podman.listed(NAME)[0]["Image"]
    local.podman.run("create", "--replace", "--name", other, "--network", "none", image, "true")
    try:
        local.run("reconcile", "--no-channel")
        assert local.podman.run("container", "exists", other, check=False).returncode == 0
    finally:
        local.podman.run("rm", "--force", other)


def test_down_leaves_nothing(local: Local) -> None:
    process = local.stack.endpoint.process()
    local.run("down")
    assert process
    assert start_time(process.pid) != process.started  # None, also for one that is dead and not yet collected
    assert local.hosts() == {}
    assert local.podman.run("network", "exists", f"lockstep-{NAME}", check=False).returncode == 1
    assert not local.stack.inventory.exists()
