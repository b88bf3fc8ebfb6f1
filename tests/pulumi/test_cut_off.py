"""An update that is killed between making or removing something and remembering it: the next one finishes it.

No containers: what is asked is whether stack, state and emulated EC2 agree again.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.fakes.aws_provider.cloud import Cloud
from local.fakes.ec2.reconcile import described, network_of
from local.fakes.ec2.stack import Pulumi, Stack, end_language_hosts, provision
from local.fleet import paths
from local.fleet.errors import FleetError
from local.pulumi_engine.ensure import ensure
from local.pulumi_engine.places import EngineError

NAME = "cutoff"
BOOKWORM = "/aws/service/debian/release/12/latest/amd64"
# Python runs this before the provider: after, say, the first Create of a type, its engine is killed and hears nothing.
HOOK = """
import os, sys
if "local.fakes.aws_provider" in sys.orig_argv and os.environ.get("CUT_OFF"):
    import signal, time
    from local.fakes.aws_provider import server
    operation, kind, mark = os.environ["CUT_OFF"].split()
    real = getattr(server.Provider, operation)
    def cut_off(self, request, context):
        answer = real(self, request, context)
        if not getattr(request, "preview", False) and request.urn.split("::")[2].endswith(kind):
            open(mark, "w").close()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return answer
    setattr(server.Provider, operation, cut_off)
"""


class Project:
    """The checkout's program with a small configuration, and the emulated EC2, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stack = folder, Stack(NAME, folder / "project", folder / "state")
        (folder / "hook").mkdir()
        (folder / "hook/sitecustomize.py").write_text(textwrap.dedent(HOOK))
        self.stack.project.mkdir()
        for name in (*paths.PROGRAM, ".venv"):
            (self.stack.project / name).symlink_to(paths.CHECKOUT / name)
        shutil.copy(paths.CHECKOUT / "Pulumi.yaml", self.stack.project)
        self.said: list[str] = []

    def configure(self, count: int, egress: str) -> None:
        values: dict[str, Any] = {
            "aws:region": "us-east-1",
            "lockstep:tier": "dev",
            "lockstep:network": {"cidr": "10.20.0.0/16", "zones": ["us-east-1a"], "egress": egress},
            "lockstep:access": {"ssh_key_files": [str(self.stack.folder / "id_ed25519.pub")]},
            "lockstep:groups": {"a": {"instance_type": "g6.xlarge", "count": count, "ami": BOOKWORM}},
        }
        (self.stack.project / f"Pulumi.{NAME}.yaml").write_text(yaml.safe_dump({"config": values}))

    def up(self) -> Cloud:
        self.said.clear()
        return provision(self.stack, self.said.append)

    def cut_off(self, operation: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        mark = self.folder / "killed"
        with monkeypatch.context() as patch, pytest.raises(FleetError):
            patch.setenv("PYTHONPATH", str(self.folder / "hook"))
            patch.setenv("CUT_OFF", f"{operation} {kind} {mark}")
            self.up()
        assert mark.exists(), f"there was no {operation} of {kind}"

    def agree(self, cloud: Cloud, machines: int) -> None:
        """What is tagged in the cloud is what the state knows, and another update has nothing to do."""
        assert network_of(cloud, NAME)
        living = [i for i in described(cloud, NAME) if i["State"]["Name"] == "running"]
        assert len(living) == machines
        engine = self.stack.engine()
        state = {r.get("id") for r in Pulumi(self.stack, engine, cloud.endpoint, self.said.append).resources()}
        assert {i["InstanceId"] for i in living} <= state
        self.up()
        assert not [line for line in self.said if line.endswith(("created", "updated", "deleted", "taken away"))]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    try:
        ensure()
    except EngineError as error:
        pytest.skip(f"no Pulumi engine: {error}")
    made = Project(tmp_path)
    try:
        yield made
    finally:
        end_language_hosts(made.stack.project)
        made.stack.endpoint.down()


@pytest.mark.parametrize(
    "kind", ["vpc:Vpc", "subnet:Subnet", "route:Route", "securityGroupEgressRule:SecurityGroupEgressRule"]
)
def test_killed_while_making(project: Project, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project.configure(count=1, egress="nat-single")
    project.cut_off("Create", kind, monkeypatch)
    cloud = project.up()
    assert end_language_hosts(project.stack.project) == 0, "the one of the killed engine was ended with its lock"
    project.agree(cloud, machines=1)


def test_killed_while_removing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.configure(count=2, egress="nat-single")
    project.up()
    project.configure(count=1, egress="endpoints")
    project.cut_off("Delete", "instance:Instance", monkeypatch)
    project.agree(project.up(), machines=1)


def test_notes_of_the_backend_that_a_kill_left_empty(project: Project) -> None:
    project.configure(count=1, egress="endpoints")
    project.up()
    for notes in (project.stack.folder / "pulumi/stacks").rglob("*.json.attrs"):
        os.truncate(notes, 0)
    project.agree(project.up(), machines=1)
