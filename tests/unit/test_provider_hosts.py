"""Which containers the reconciler makes, starts, stops and removes, and when a first boot counts."""

from __future__ import annotations

import http.server
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from local.ec2 import __main__ as command
from local.ec2 import endpoint, machine_images, machines, reconcile, stack
from local.fleet.errors import FleetError
from local.fleet.model import Fleet
from tests.support.waiting import until

SUBNET = ipaddress.IPv4Network("10.98.0.0/16")
DEBIAN_13 = machine_images.IMAGES["/aws/service/debian/release/13/latest/amd64"].identity


def instance(name: str = "a-01", state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "InstanceId": f"i-{name}",
        "ImageId": DEBIAN_13,
        "InstanceType": "p5.48xlarge",
        "PrivateIpAddress": "10.98.0.4",
        "State": {"Name": state},
        "Tags": [{"Key": "Name", "Value": name}],
        **more,
    }


def test_an_instance_is_a_machine() -> None:
    (machine,) = machines.machines([instance()], SUBNET)
    assert (machine.name, machine.identity, machine.running) == ("a-01", "i-a-01", True)
    assert (machine.host.address, machine.host.suite) == ("10.98.0.4", "trixie")
    assert (machine.host.gpu["name"], machine.host.gpu["count"]) == ("NVIDIA H100 80GB HBM3", 8)


@pytest.mark.parametrize(("kind", "count"), [("c7i.large", 0), ("g5.12xlarge", 4), ("g5.xlarge", 1), ("p5.4xlarge", 1)])
def test_gpus_by_type(kind: str, count: int) -> None:
    assert machines.gpu(kind).get("count", 0) == count


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_what_is_ending_is_no_machine(state: str) -> None:
    assert machines.machines([instance(state=state)], SUBNET) == []


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([instance(Tags=[])], "is no host name"),
        ([instance(name="A_1")], "is no host name"),
        ([instance(PrivateIpAddress="192.168.0.1")], "is not in the VPC's"),
        ([instance(PrivateIpAddress="")], "address none"),
        ([instance(PrivateIpAddress="10.98.0.2")], "is taken"),
        ([instance(), instance(InstanceId="i-2")], "two instances have the name a-01: i-a-01 and i-2"),
    ],
)
def test_instances_that_cannot_be_hosts(items: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(FleetError, match=said):
        machines.machines(items, SUBNET)


H100 = json.dumps(machines.gpu("p5.48xlarge"), sort_keys=True)


def container(state: str = "running", identity: str = "i-a-01", spec: str = "s") -> dict[str, Any]:
    return {"State": state, "Labels": {"lockstep.instance": identity, "lockstep.spec": spec}}


@pytest.mark.parametrize(
    ("instance_state", "present", "accepted", "actions"),
    [
        ("running", None, None, ["make"]),
        ("running", container(), H100, ["keep"]),
        ("running", container(), "", ["keep"]),
        ("running", container(), None, ["accept"]),  # cut off before the first boot was checked
        ("running", container("created"), None, ["make"]),  # cut off before it was started
        ("running", container("exited"), H100, ["start"]),
        ("running", container("paused"), H100, ["unpause"]),  # which podman does not start
        ("running", container(), "{}", ["retype"]),
        ("running", container("exited"), "{}", ["retype"]),
        ("running", container(identity="i-old"), H100, ["make"]),
        ("running", container(spec="old"), H100, ["make"]),
        ("running", {"State": "running", "Labels": None}, None, ["make"]),
        ("stopped", container(), H100, ["stop"]),
        ("stopped", container("exited"), H100, ["keep"]),
        ("stopped", container(identity="i-old"), None, ["remove"]),
        ("stopped", None, None, []),
        ("terminated", container(), H100, ["remove"]),
        ("terminated", None, None, []),
    ],
)
def test_plan(instance_state: str, present: dict[str, Any] | None, accepted: str | None, actions: list[str]) -> None:
    wanted = machines.machines([instance(state=instance_state)], SUBNET)
    fleet = Fleet("s", SUBNET, tuple(m.host for m in wanted))
    there = {"lockstep-s-a-01": present} if present else {}
    checked = {} if accepted is None else {"i-a-01": accepted}
    steps = reconcile.plan(fleet, wanted, there, {"a-01": "s"}, checked)
    assert [step.action for step in steps] == actions


def test_the_channel_stays() -> None:
    fleet = Fleet("s", SUBNET, ())
    present = {"lockstep-s-channel": container(), "lockstep-s-b-01": container()}
    assert [step.container for step in reconcile.plan(fleet, [], present, {}, {})] == ["lockstep-s-b-01"]


GOOD = {"code": 0, "result": {"datasource": "DataSourceNoCloud [seed=x]", "errors": []}, "marker": True, "units": ""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"code": 1}, "exit code 1"),
        ({"result": {"datasource": "DataSourceNoCloud", "errors": ["broken"]}}, "broken"),
        ({"result": {"datasource": "DataSourceNone", "errors": []}}, "another datasource"),
        ({"result": {}}, "another datasource"),
        ({"marker": False}, "did not run to its end"),
        ({"units": "foo.service loaded failed failed x\n"}, "units failed at boot: foo.service"),
    ],
)
def test_verdict(change: dict[str, Any], said: str) -> None:
    found = reconcile.verdict({**GOOD, **change})
    assert said in found
    assert bool(found) == bool(change)


def test_seed(tmp_path: Path) -> None:
    (machine,) = machines.machines([instance()], SUBNET)
    reconcile.seed(tmp_path / "t", machine, b"#cloud-config\n")
    nocloud = tmp_path / "t/var/lib/cloud/seed/nocloud"
    assert (nocloud / "user-data").read_bytes() == b"#cloud-config\n"
    assert json.loads((nocloud / "meta-data").read_text()) == {"instance-id": "i-a-01", "local-hostname": "a-01"}
    assert "H100 80GB HBM3 (simulated)" in (tmp_path / "t/etc/lockstep-simulated-gpu").read_text()
    assert (tmp_path / "t/usr/bin/nvidia-smi").is_symlink()


def test_images_are_told_apart() -> None:
    assert len(machine_images.BY_ID) == len(machine_images.IMAGES)
    assert machine_images.suite("ami-0123456789abcdef0") == "bookworm"


def test_endpoint_is_found_again_and_remembers(tmp_path: Path) -> None:
    it = endpoint.Endpoint(tmp_path, 5701)
    try:
        process, how = it.up()
        assert how == "started (new)"
        assert it.up() == (process, "running")
        ec2 = stack.Cloud(endpoint.REGION, process.url).ec2
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.create_placement_group(GroupName="g", Strategy="cluster")
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        assert it.process() is None
        again, how = it.up()
        assert (how, again.port) == ("started (restored)", process.port)
        ec2 = stack.Cloud(endpoint.REGION, again.url).ec2
        assert vpc in [found["VpcId"] for found in ec2.describe_vpcs()["Vpcs"]]
        assert ec2.describe_placement_groups()["PlacementGroups"][0]["GroupName"] == "g"
        it.down()
        it.state.write_bytes(b"torn")
        assert "put aside as cloud.unreadable, starting empty" in it.up()[1]
        assert it.down()
        assert not it.down()
        it.forget()
        assert list(tmp_path.iterdir()) == []
    finally:
        it.down()


def test_neither_a_profile_nor_a_proxy_of_the_users_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "example")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "intern.example")
    monkeypatch.setattr(endpoint, "START_SECONDS", 30)
    it = endpoint.Endpoint(tmp_path)
    try:
        cloud = stack.Cloud(endpoint.REGION, it.up()[0].url)
        assert cloud.ec2.describe_vpcs()["Vpcs"]
    finally:
        it.down()
    made = stack.Pulumi(stack.Stack("s", tmp_path, tmp_path), tmp_path, cloud.endpoint, lambda text: None).environment
    assert "AWS_PROFILE" not in made
    assert made["no_proxy"] == made["NO_PROXY"] == "intern.example,127.0.0.1,localhost"


def test_a_process_file_of_another_process_is_not_believed(tmp_path: Path) -> None:
    it = endpoint.Endpoint(tmp_path)
    it.file.write_text(json.dumps({"pid": os.getpid(), "started": 1, "port": 1}))
    assert it.process() is None
    assert not it.down()  # it would have ended this very process
    it.file.write_text("torn")
    assert it.process() is None


class Stranger(http.server.BaseHTTPRequestHandler):
    """Answers every question, as the emulated EC2 of another checkout does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"1\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def test_another_server_on_its_port_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = endpoint.Endpoint(tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        taken, free = stranger.server_address[1], endpoint._free
        it.file.write_text(json.dumps({"pid": os.getpid(), "started": endpoint.start_time(os.getpid()), "port": taken}))
        assert it.process() and not it.answering()
        it.file.unlink()
        monkeypatch.setattr(endpoint, "_free", lambda port: free(port) if port == 0 else taken)  # free a moment ago
        try:
            process, how = it.up()
            assert how == "started (new)"
            assert process.port != taken
        finally:
            it.down()
            stranger.shutdown()


def test_each_checkout_asks_for_a_port_of_its_own(tmp_path: Path) -> None:
    ports = {endpoint.own_port(tmp_path / str(number)) for number in range(50)}
    assert len(ports) > 40
    assert endpoint.own_port(tmp_path) == endpoint.own_port(tmp_path)


def test_a_cloud_that_ends_meanwhile_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = endpoint.Endpoint(tmp_path / ".lockstep/local/ec2")

    def ended(*_arguments: Any, **_more: Any) -> None:
        stack.Cloud(endpoint.REGION, "http://127.0.0.1:9").ec2.describe_vpcs()

    monkeypatch.setattr(command, "_reconcile", ended)
    monkeypatch.setattr(stack.Stack, "endpoint", it)
    monkeypatch.setattr(sys, "argv", ["local.ec2", "--project", str(tmp_path), "reconcile"])
    try:
        assert command.main() == 1
    finally:
        it.down()
    said = capsys.readouterr().err
    assert "error: the emulated EC2 failed: Could not connect" in said
    assert "run it again" in said


def test_the_engines_account_is_cut_to_what_is_wrong() -> None:
    text = """
Diagnostics:
  pulumi:pulumi:Stack (s):
    warning: using pulumi-resource-aws from $PATH at x
    error: update failed

    Traceback (most recent call last):
      File "x", line 1, in <module>
    KeyboardInterrupt

  aws:ec2:Vpc (v):
    error: CreateVpc: it is wrong
"""
    said = stack._ends(text)
    assert "CreateVpc: it is wrong" in said
    assert "Traceback" not in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (" +  aws:ec2:Instance dev-01 created (0.27s) ", "dev-01"),
        (" ++ aws:ec2:Instance a created replacement (0.27s) [diff: ~ami]", "a"),
        (" -  aws:ec2:Vpc v deleted (0.38s) ", "v"),
        (" ~  aws:ec2:Vpc v updated (1.38s) [diff: ~tags]", "v"),
        (" +  aws:ec2:Vpc v creating (0s) ", None),
        ("    aws:ec2:Vpc v ", None),
    ],
)
def test_progress_lines(line: str, name: str | None) -> None:
    found = stack.LINE.match(line)
    assert (found["name"] if found else None) == name


def test_a_lock_of_the_dead_is_told_from_one_of_the_living() -> None:
    child = subprocess.Popen(["true"])
    stat = Path(f"/proc/{child.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "it is dead, and not yet collected")
    assert not stack._runs_pulumi(child.pid)
    child.wait()
    assert not stack._runs_pulumi(child.pid)
    assert not stack._runs_pulumi(os.getpid())  # alive, but another program under an id used again
