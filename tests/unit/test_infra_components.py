"""What the program asks AWS for, recorded by Pulumi's mocks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.cluster import Cluster
from infra.config import load
from infra.inventory import InventoryError, checked
from tests.unit.infra_samples import Recorder, config, run

INSTANCE = "ec2/instance:Instance"
INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"
P5 = {
    "instance_type": "p5.48xlarge",
    "count": 2,
    "placement": "cluster",
    "efa": 4,
    "capacity": {"mode": "reservation", "id": "cr-0123456789abcdef0", "zone": "us-east-1a"},
    "storage": "instance-store",
}
EXISTING = {"vpc_id": "vpc-0123abcd", "private_subnets": {"us-east-1a": "subnet-0123abcd"}}


def make(preview: bool = False, **changes: Any) -> tuple[Recorder, Any]:
    layout = load(config(**changes), "lockstep", "dev", "us-east-1")
    return run(lambda: Cluster("dev", layout).inventory, preview)


def test_every_machine_is_locked_down() -> None:
    recorder, _ = make(groups__fast=P5, groups__open={"instance_type": "g6.xlarge", "public": True})
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


@pytest.mark.parametrize("egress", ["nat-single", "nat-per-az", "endpoints", "none"])
@pytest.mark.parametrize("public", [False, True])
def test_nothing_lets_the_world_in(egress: str, public: bool) -> None:
    recorder, _ = make(
        network__egress=egress,
        access={"ssm": False, "ssh_from": ["10.8.0.0/16"], "ssh_keys": config()["access"]["ssh_keys"]},
        groups__train__public=public,
    )
    rules = recorder.of(INGRESS)
    assert rules
    assert not [rule for rule in rules.values() if "/0" in str(rule)]
    for group in recorder.of("ec2/securityGroup:SecurityGroup").values():
        assert "ingress" not in group and "egress" not in group
    assert rules["dev-from-ssh-10.8.0.0-16"]["fromPort"] == rules["dev-from-ssh-10.8.0.0-16"]["toPort"] == 22


def test_by_default_no_port_is_open_and_ssm_is_the_only_right() -> None:
    recorder, _ = make()
    assert set(recorder.of(INGRESS)) == {"dev-from-fleet"}
    assert recorder.of(INGRESS)["dev-from-fleet"]["referencedSecurityGroupId"] == "dev-hosts-id"
    attached = recorder.of("iam/rolePolicyAttachment:RolePolicyAttachment")
    assert [one["policyArn"] for one in attached.values()] == ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
    assert not recorder.of("iam/rolePolicy:RolePolicy")
    trust = json.loads(next(iter(recorder.of("iam/role:Role").values()))["assumeRolePolicy"])
    assert trust["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_buckets_are_read_and_nothing_else() -> None:
    recorder, _ = make(access__read_buckets=["mirror"], access__policies=["arn:aws:iam::123456789012:policy/own"])
    policy = json.loads(recorder.of("iam/rolePolicy:RolePolicy")["dev-host-read-buckets"]["policy"])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions == ["s3:ListBucket", "s3:GetObject"]
    assert "*" not in [resource for statement in policy["Statement"] for resource in statement["Resource"]]
    assert len(recorder.of("iam/rolePolicyAttachment:RolePolicyAttachment")) == 2


@pytest.mark.parametrize(
    ("egress", "gateways", "services", "world"),
    [
        ("nat-single", 1, ["s3"], {80, 443}),
        ("nat-per-az", 2, ["s3"], {80, 443}),
        ("endpoints", 0, ["ec2messages", "s3", "ssm", "ssmmessages"], set()),
        ("none", 0, ["s3"], set()),
    ],
)
def test_ways_out(egress: str, gateways: int, services: list[str], world: set[int]) -> None:
    access = {"ssm": egress != "none", "ssh_from": ["10.8.0.0/16"], "ssh_keys": config()["access"]["ssh_keys"]}
    recorder, _ = make(network__egress=egress, access=access)
    assert len(recorder.of("ec2/natGateway:NatGateway")) == gateways
    endpoints = recorder.of("ec2/vpcEndpoint:VpcEndpoint")
    assert sorted(one["serviceName"].rsplit(".", 1)[1] for one in endpoints.values()) == services
    assert endpoints["dev-s3"]["vpcEndpointType"] == "Gateway"
    private = {"dev-private-us-east-1a-id", "dev-private-us-east-1b-id"}
    assert private <= set(endpoints["dev-s3"]["routeTableIds"])
    open_ports = {rule.get("toPort") for rule in recorder.of(EGRESS).values() if rule.get("cidrIpv4") == "0.0.0.0/0"}
    assert open_ports == world
    assert bool(recorder.of("ec2/internetGateway:InternetGateway")) == bool(gateways)
    out = [route for name, route in recorder.of("ec2/route:Route").items() if "private" in name]
    assert len(out) == (2 if gateways else 0)
    assert {route["natGatewayId"] for route in out} == {
        f"dev-nat-us-east-1{zone}-id" for zone in ("ab" if gateways == 2 else "a"[:gateways])
    }
    for subnet in recorder.of("ec2/subnet:Subnet").values():
        assert subnet["mapPublicIpOnLaunch"] is False


def test_an_existing_network_is_left_as_it_is() -> None:
    recorder, found = make(network=EXISTING)
    for kind in ("ec2/vpc:Vpc", "ec2/subnet:Subnet", "ec2/routeTable:RouteTable", "ec2/vpcEndpoint:VpcEndpoint"):
        assert not recorder.of(kind)
    assert recorder.of(INSTANCE)["dev-train-01"]["subnetId"] == "subnet-0123abcd"
    assert recorder.of(EGRESS)["dev-to-inside"]["cidrIpv4"] == "172.31.0.0/16"
    assert found["hosts"]["dev-train-01"]["zone"] == "us-east-1a"
    recorder, _ = make(network={**EXISTING, "route_tables": ["rtb-0123abcd"]})
    assert recorder.of("ec2/vpcEndpoint:VpcEndpoint")["dev-s3"]["routeTableIds"] == ["rtb-0123abcd"]


def test_adapters_come_by_launch_template_into_a_cluster_placement_group() -> None:
    recorder, found = make(groups__fast=P5)
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
    block = {**P5["capacity"], "mode": "block"}  # type: ignore[dict-item]
    recorder, _ = make(
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
    recorder, _ = make(
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


def test_tags_tell_what_a_thing_is() -> None:
    recorder, _ = make(tags={"team": "ml"}, groups__train__tags={"job": "x"}, groups__train__tier="test")
    machine = recorder.of(INSTANCE)["dev-train-02"]["tags"]
    assert machine == {
        "Name": "dev-train-02",
        "team": "ml",
        "job": "x",
        "managed-by": "pulumi",
        "lockstep:stack": "dev",
        "lockstep:tier": "test",
        "lockstep:group": "train",
    }
    untagged = {
        key
        for key, args in recorder.resources.items()
        if key.startswith("aws:") and args.inputs.get("tags", {}).get("managed-by") != "pulumi"
    }
    without_tags = ("routeTableAssociation", "route:Route", "rolePolicyAttachment", "rolePolicy")
    assert not [key for key in untagged if not any(kind in key for kind in without_tags)]


def test_machines_keep_their_names_when_the_group_grows() -> None:
    small, _ = make(groups__train__count=2)
    large, _ = make(groups__train__count=4)
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
    make(**changes)
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
    recorder, _ = make(tier="prod")
    assert recorder.of(INSTANCE)["dev-train-01"]["disableApiTermination"] is True
    recorder, _ = make()
    assert recorder.of(INSTANCE)["dev-train-01"]["disableApiTermination"] is False


def test_the_image_is_looked_up_once_a_group_and_a_pinned_one_never() -> None:
    recorder, _ = make(groups__pinned={"instance_type": "g6.xlarge", "ami": "ami-00000000"})
    assert [token for token, _ in recorder.calls] == ["aws:ssm/getParameter:getParameter"]
    assert recorder.of(INSTANCE)["dev-pinned-01"]["ami"] == "ami-00000000"


def test_the_inventory_is_whole_and_fits_its_schema() -> None:
    _, found = make(groups__open={"instance_type": "g6.xlarge", "public": True})
    assert checked(found) is found
    assert (found["schema"], found["stack"], found["user"], found["root"]) == (1, "dev", "ml", "/opt/lockstep")
    host = found["hosts"]["dev-train-02"]
    assert host["instance_id"].startswith("i-") and host["private_ip"].startswith("10.20.")
    assert (host["index"], host["public_ip"], host["connection"]) == (2, None, "ssm")
    assert found["hosts"]["dev-open-01"]["public_ip"].startswith("203.0.113.")
    assert "AAAA" not in json.dumps(found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("password",), "x"),
        (("hosts", "dev-train-01", "private_ip"), ""),
        (("hosts", "dev-train-01", "secret"), "x"),
        (("hosts", "dev-train-01", "connection"), "public"),
        (("hosts", "dev-train-01", "platform"), "osx-arm64"),
        (("hosts", "UPPER"), {}),
    ],
)
def test_what_does_not_fit_the_schema_never_leaves(path: tuple[str, ...], value: Any) -> None:
    _, found = make()
    place = found
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(InventoryError, match=r"does not fit inventory\.schema\.json"):
        checked(found)


def test_a_preview_runs_to_its_end() -> None:
    recorder, _ = make(preview=True, groups__fast=P5)
    assert len(recorder.of(INSTANCE)) == 4
