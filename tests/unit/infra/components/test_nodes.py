"""The machines, as AWS is asked for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import infra_samples
from tests.support.infra_samples import EGRESS, INGRESS, INSTANCE, P5


def test_every_machine_is_locked_down() -> None:
    recorder, _ = infra_samples.make(groups__fast=P5, groups__open={"instance_type": "g6.xlarge", "public": True})
    machines = recorder.of(INSTANCE)
    assert set(machines) == {"dev-train-01", "dev-train-02", "dev-fast-01", "dev-fast-02", "dev-open-01"}
    for machine in machines.values():
        assert machine["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
            "instanceMetadataTags": "disabled",
        }
        assert machine["rootBlockDevice"]["encrypted"] is True
        assert machine["rootBlockDevice"]["volumeType"] == "gp3"
        assert machine["iamInstanceProfile"]
        assert machine["ami"] == "ami-0123456789abcdef0"
        assert "keyName" not in machine
        assert machine["userData"].startswith("#cloud-config\n")


def test_adapters_come_by_launch_template_into_a_cluster_placement_group() -> None:
    recorder, found = infra_samples.make(groups__fast=P5)
    template = recorder.of("ec2/launchTemplate:LaunchTemplate")["dev-fast-efa"]
    cards = template["networkInterfaces"]
    assert [card["interfaceType"] for card in cards] == ["efa", "efa-only", "efa-only", "efa-only"]
    assert [(card["networkCardIndex"], card["deviceIndex"]) for card in cards] == [(0, 0), (1, 1), (2, 1), (3, 1)]
    assert {card["subnetId"] for card in cards} == {"dev-private-us-east-1a-id"}
    assert [card["securityGroups"] for card in cards] == [["dev-hosts-id"]] * 4
    group = recorder.of("ec2/placementGroup:PlacementGroup")["dev-fast-cluster"]
    assert group["strategy"] == "cluster"
    for name in ("dev-fast-01", "dev-fast-02"):
        machine = recorder.of(INSTANCE)[name]
        assert machine["launchTemplate"] == {"id": "dev-fast-efa-id", "version": "1"}
        assert machine["placementGroup"] == "dev-fast-cluster-1234567"
        # AWS takes these in one place only: with the cards
        assert not {"subnetId", "vpcSecurityGroupIds", "associatePublicIpAddress"} & set(machine)
        target = machine["capacityReservationSpecification"]["capacityReservationTarget"]
        assert target == {"capacityReservationId": "cr-0123456789abcdef0"}
        assert found["hosts"][name]["efa"] == 4
    self_rules = [recorder.of(kind) for kind in (INGRESS, EGRESS)]
    for rules in self_rules:
        both = [rule for rule in rules.values() if rule.get("referencedSecurityGroupId") == "dev-hosts-id"]
        assert [rule["ipProtocol"] for rule in both] == ["-1"]


def test_capacity() -> None:
    block = {**P5["capacity"], "mode": "block"}
    recorder, _ = infra_samples.make(
        groups__train__capacity={"mode": "spot", "max_price": "1.5"},
        groups__bought={**P5, "capacity": block, "placement": "none"},
        groups__plain={"instance_type": "g6.xlarge"},
    )
    machines = recorder.of(INSTANCE)
    assert machines["dev-train-01"]["instanceMarketOptions"]["marketType"] == "spot"
    assert machines["dev-train-01"]["instanceMarketOptions"]["spotOptions"]["maxPrice"] == "1.5"
    assert machines["dev-bought-01"]["instanceMarketOptions"] == {"marketType": "capacity-block"}
    assert "capacityReservationSpecification" in machines["dev-bought-01"]
    assert not {"instanceMarketOptions", "capacityReservationSpecification"} & set(machines["dev-plain-01"])
    bought = [key for key in recorder.resources if "capacity" in key.lower().split(" ")[0]]
    assert not bought


def test_disks() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/abc"
    recorder, _ = infra_samples.make(
        kms_key=key,
        groups__train__storage="data",
        groups__train__data_disk={"size_gb": 500, "throughput": 1000, "iops": 4000},
    )
    machine = recorder.of(INSTANCE)["dev-train-01"]
    (disk,) = machine["ebsBlockDevices"]
    assert {name: disk[name] for name in ("volumeType", "volumeSize", "throughput", "iops", "encrypted")} == {
        "volumeType": "gp3",
        "volumeSize": 500,
        "throughput": 1000,
        "iops": 4000,
        "encrypted": True,
    }
    assert disk["kmsKeyId"] == machine["rootBlockDevice"]["kmsKeyId"] == key
    assert "- --storage\n  - data\n" in machine["userData"]


def test_machines_keep_their_names_when_the_group_grows() -> None:
    small, _ = infra_samples.make(groups__train__count=2)
    large, _ = infra_samples.make(groups__train__count=4)
    for name, machine in small.of(INSTANCE).items():
        assert large.of(INSTANCE)[name] == machine
    assert set(large.of(INSTANCE)) - set(small.of(INSTANCE)) == {"dev-train-03", "dev-train-04"}


def options(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Any]:
    """The resource options that each machine is registered with, which mocks do not record."""
    import pulumi_aws as aws

    seen: dict[str, Any] = {}
    real = aws.ec2.Instance.__init__

    def spy(self: Any, name: str, *args: Any, **kwargs: Any) -> None:
        seen[name] = kwargs["opts"]
        real(self, name, *args, **kwargs)

    monkeypatch.setattr(aws.ec2.Instance, "__init__", spy)
    infra_samples.make(**changes)
    return seen


def test_what_never_touches_a_running_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = options(monkeypatch, groups__pinned={"instance_type": "g6.xlarge", "ami": "ami-00000000"}, groups__fast=P5)
    assert seen["dev-train-01"].ignore_changes == ["userData", "ami"]
    assert seen["dev-pinned-01"].ignore_changes == ["userData"]
    assert seen["dev-fast-01"].replace_on_changes == ["launchTemplate"]
    assert not seen["dev-train-01"].protect


def test_prod_is_protected_in_pulumi_and_in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = options(monkeypatch, tier="prod")
    assert seen["dev-train-01"].protect
    recorder, _ = infra_samples.make(tier="prod")
    assert recorder.of(INSTANCE)["dev-train-01"]["disableApiTermination"] is True
    recorder, _ = infra_samples.make()
    assert recorder.of(INSTANCE)["dev-train-01"]["disableApiTermination"] is False


def test_the_image_is_looked_up_once_a_group_and_a_pinned_one_never() -> None:
    recorder, _ = infra_samples.make(groups__pinned={"instance_type": "g6.xlarge", "ami": "ami-00000000"})
    assert [token for token, _ in recorder.calls] == ["aws:ssm/getParameter:getParameter"]
    assert recorder.of(INSTANCE)["dev-pinned-01"]["ami"] == "ami-00000000"
