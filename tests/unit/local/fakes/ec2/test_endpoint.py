"""The emulated EC2's process: found again, told from others, and lost."""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from local.fakes.ec2 import __main__ as command
from local.fakes.ec2 import endpoint, stack
from local.fleet.errors import reported


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
    monkeypatch.setattr(sys, "argv", ["local.fakes.ec2", "--project", str(tmp_path), "reconcile"])
    try:
        assert reported(command.main) == 1
    finally:
        it.down()
    said = capsys.readouterr().err
    assert "error: the emulated EC2 failed: Could not connect" in said
    assert "run it again" in said
