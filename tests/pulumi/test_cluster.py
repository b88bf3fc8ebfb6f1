"""The checkout's own program, run by the real engine against an emulated EC2: what each edit does to machines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.fakes.ec2.endpoint import Endpoint
from local.pulumi_engine.ensure import ensure
from local.pulumi_engine.places import EngineError
from plugins.plugin_utils.inventory.stack_inventory import StackError, from_stack
from tests.support.clusters import ClusterProject, shipped

SMALL: dict[str, Any] = {
    "aws:region": "us-east-1",
    "lockstep:tier": "dev",
    "lockstep:network": {"cidr": "10.20.0.0/16", "zones": ["us-east-1a", "us-east-1b"], "egress": "nat-single"},
    "lockstep:access": {},
    "lockstep:groups": {
        "train": {
            "instance_type": "p5.48xlarge",
            "count": 2,
            "ami": "ami-0123456789abcdef0",
            "placement": "cluster",
            "efa": 4,
        },
        "serve": {"instance_type": "g6.xlarge", "count": 2},
    },
}
TRAIN, SERVE = "aws:ec2/instance:Instance dev-train", "aws:ec2/instance:Instance dev-serve"


@pytest.fixture(scope="module")
def engine() -> Path:
    try:
        return ensure()
    except EngineError as error:
        pytest.skip(f"no Pulumi engine: {error}")


@pytest.fixture(scope="module")
def project(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProject]:
    """One stack that the tests below take through its life, in their order."""
    folder = tmp_path_factory.mktemp("cluster")
    endpoint = Endpoint(folder / "ec2", 5650)
    try:
        made = ClusterProject(folder / "project", engine, endpoint, "dev", SMALL)
        made.values["lockstep:groups"]["train"]["ami"] = images(made)[0]
        yield made
    finally:
        endpoint.down()


def images(project: ClusterProject) -> list[str]:
    """Two images that the emulated EC2 has."""
    names = [f"/aws/service/debian/release/{number}/latest/amd64" for number in (12, 13)]
    found = project.cloud.client("ssm").get_parameters(Names=names)["Parameters"]
    return [one["Value"] for one in sorted(found, key=lambda one: str(one["Name"]))]


def edited(project: ClusterProject, group: str, **changes: Any) -> dict[str, str]:
    """What an edit of a group would do, without doing it."""
    groups = project.values["lockstep:groups"]
    before = dict(groups[group])
    groups[group] = {**before, **changes}
    try:
        return project.steps()
    finally:
        groups[group] = before


def test_mistakes_are_told_before_anything_is_made(project: ClusterProject) -> None:
    groups = project.values["lockstep:groups"]
    groups["serve"]["cuont"] = groups["serve"].pop("count")
    project.configure()
    done = project.run("up", "--yes", "--stack", "dev", check=False)
    groups["serve"]["count"] = groups["serve"].pop("cuont")
    assert done.code != 0
    assert "1 mistake in Pulumi.dev.yaml; nothing was created or changed." in done.text
    assert "lockstep:groups.serve.cuont: is not a key that exists. Did you mean count?" in done.text
    assert "Traceback" not in done.text
    assert set(project.resources()) <= {"lockstep-dev"}


def test_unready_stacks_are_told_by_the_real_cli(project: ClusterProject, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in project.environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(StackError, match="stack nowhere: it does not exist"):
        from_stack("nowhere", project.folder)
    with pytest.raises(StackError, match="has no outputs yet"):
        from_stack("dev", project.folder)
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    monkeypatch.setenv("PULUMI_HOME", str(project.folder.parent / "other-home"))
    with pytest.raises(StackError, match="Pulumi is not logged in"):
        from_stack("dev", project.folder)


def test_up_then_nothing_to_do(project: ClusterProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.go()
    assert set(project.machines()) == {"dev-train-01", "dev-train-02", "dev-serve-01", "dev-serve-02"}
    assert set(project.go().summary()) == {"same"}
    assert project.steps() == {}
    done = project.run("refresh", "--yes", "--stack", "dev")
    assert set(done.summary()) == {"same"}, done.text[-3000:]
    for key, value in project.environment.items():
        monkeypatch.setenv(key, value)
    assert set(from_stack("dev", project.folder)["hosts"]) == set(project.machines())
    assert "AAAA" not in json.dumps(project.outputs())


def test_a_machine_more_and_a_machine_less(project: ClusterProject) -> None:
    assert edited(project, "serve", count=3) == {f"{SERVE}-03": "create"}
    assert edited(project, "serve", count=1) == {f"{SERVE}-02": "delete"}
    before = project.machines()
    project.values["lockstep:groups"]["serve"]["count"] = 3
    project.go()
    after = project.machines()
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"dev-serve-03"}
    project.values["lockstep:groups"]["serve"]["count"] = 2
    project.go()
    assert project.machines() == before


@pytest.mark.parametrize(
    ("group", "changes", "does"),
    [
        ("serve", {"tags": {"x": "y"}}, {f"{SERVE}-01": "update", f"{SERVE}-02": "update"}),
        ("serve", {"instance_type": "g6.2xlarge"}, {f"{SERVE}-01": "update", f"{SERVE}-02": "update"}),
        ("serve", {"root_disk": {"size_gb": 200}}, {f"{SERVE}-01": "update", f"{SERVE}-02": "update"}),
        ("serve", {"zone": "us-east-1b"}, {f"{SERVE}-01": "replace", f"{SERVE}-02": "replace"}),
        ("serve", {"storage": "data", "data_disk": {}}, {f"{SERVE}-01": "replace", f"{SERVE}-02": "replace"}),
        ("serve", {"storage": "instance-store"}, {}),
        ("serve", {"ami": "/aws/service/debian/release/13/latest/amd64"}, {}),
        ("train", {"efa": 8}, {f"{TRAIN}-01": "replace", f"{TRAIN}-02": "replace"}),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else value,
)
def test_what_an_edit_does(project: ClusterProject, group: str, changes: dict[str, Any], does: dict[str, str]) -> None:
    found = {name: op for name, op in edited(project, group, **changes).items() if "ec2/instance:" in name}
    kinds = {name: "replace" if "replace" in op else op for name, op in found.items()}
    assert kinds == does


def test_a_pinned_image_replaces(project: ClusterProject) -> None:
    found = edited(project, "train", ami=images(project)[1])
    assert {name for name, op in found.items() if "replace" in op} == {f"{TRAIN}-01", f"{TRAIN}-02"}


def test_a_machine_that_vanished_is_seen_and_made_again(project: ClusterProject) -> None:
    before = project.machines()
    project.cloud.client("ec2").terminate_instances(InstanceIds=[before["dev-serve-02"]["instance_id"]])
    project.run("refresh", "--yes", "--stack", "dev")
    assert project.steps() == {f"{SERVE}-02": "create"}
    project.go()
    after = project.machines()
    assert after["dev-serve-02"]["instance_id"] != before["dev-serve-02"]["instance_id"]
    assert after["dev-serve-01"] == before["dev-serve-01"]


def test_a_failure_in_the_middle_heals(project: ClusterProject) -> None:
    groups = project.values["lockstep:groups"]
    groups["more"] = {"instance_type": "g6.xlarge", "count": 2, "ami": "/aws/service/nobody/has/this"}
    groups["serve"]["count"] = 3
    assert project.go(check=False).code != 0
    groups["more"]["ami"] = "/aws/service/debian/release/12/latest/amd64"
    project.go()
    assert {"dev-serve-03", "dev-more-01", "dev-more-02"} <= set(project.machines())
    assert project.steps() == {}


def test_another_way_out_touches_no_machine_and_another_network_replaces_all(project: ClusterProject) -> None:
    before = project.machines()
    project.values["lockstep:network"]["egress"] = "endpoints"
    project.go()
    assert project.machines() == before
    project.values["lockstep:network"]["cidr"] = "10.30.0.0/16"
    project.go()
    after = project.machines()
    assert set(after) == set(before)
    assert all(host["private_ip"].startswith("10.30.") for host in after.values())
    assert project.steps() == {}


def test_protection_refuses_and_can_be_lifted(project: ClusterProject) -> None:
    project.values["lockstep:protect"] = True
    project.go()
    refused = project.run("destroy", "--yes", "--stack", "dev", check=False)
    assert refused.code != 0 and "protect" in refused.text
    assert len(project.machines()) == 7
    project.values["lockstep:groups"]["train"]["ami"] = images(project)[1]
    replaced = project.go(check=False)
    assert replaced.code != 0 and "protect" in replaced.text
    project.values["lockstep:groups"]["train"]["ami"] = images(project)[0]
    project.values["lockstep:protect"] = False
    project.go()
    project.run("destroy", "--yes", "--stack", "dev")
    left = project.cloud.client("ec2").describe_instances()["Reservations"]
    states = {machine["State"]["Name"] for one in left for machine in one["Instances"]}
    assert states <= {"terminated"}
    assert not [vpc for vpc in project.cloud.client("ec2").describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("examples/aws-dev/Pulumi.dev.yaml", 3),
        ("examples/aws-prod-reservation/Pulumi.test.yaml", 4),
        ("examples/aws-prod-reservation/Pulumi.prod.yaml", 16),
        ("Pulumi.local.yaml", 5),
    ],
)
def test_the_stacks_of_the_checkout_can_be_previewed(engine: Path, tmp_path: Path, file: str, count: int) -> None:
    endpoint = Endpoint(tmp_path / "ec2", 5660 + len(os.environ) % 7)
    try:
        stack = Path(file).name.split(".")[1]
        project = ClusterProject(tmp_path / "project", engine, endpoint, stack, shipped(file))
        found = project.steps()
    finally:
        endpoint.down()
    assert set(found.values()) == {"create"}
    machines = [name for name in found if "ec2/instance:" in name]
    assert len(machines) == count
