"""Each emulated resource type through its whole life, against moto with our extensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.fakes.aws_provider import schema
from local.fakes.aws_provider.kinds import KINDS
from local.fakes.aws_provider.wire import UNK
from tests.support.aws_provider import DEBIAN_12, POLICY, TRUST, Aborted, World, serve

EC2 = "aws:ec2/"
VPC, SUBNET, GROUP = EC2 + "vpc:Vpc", EC2 + "subnet:Subnet", EC2 + "securityGroup:SecurityGroup"
TABLE, INSTANCE, TEMPLATE = (
    EC2 + "routeTable:RouteTable",
    EC2 + "instance:Instance",
    EC2 + "launchTemplate:LaunchTemplate",
)
GATEWAY, EIP, KEY = EC2 + "internetGateway:InternetGateway", EC2 + "eip:Eip", EC2 + "keyPair:KeyPair"
PLACEMENT, RESERVATION = EC2 + "placementGroup:PlacementGroup", EC2 + "capacityReservation:CapacityReservation"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ROLE, PROFILE, VOLUME = "aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile", "aws:ebs/volume:Volume"
ENCRYPTED = {"encrypted": True}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0Yl5t5mR3oY0a0t2m5f4yq4rVqgW2H2m8N3a7bQ9k"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    server, url = serve()
    try:
        yield World(endpoints=[{"ec2": url}])
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def base(world: World) -> dict[str, str]:
    """What other resources hang on."""
    found = {"vpc": world.create(VPC, {"cidrBlock": "10.9.0.0/16"})[0]}
    zone = {"vpcId": found["vpc"], "availabilityZone": "us-east-1a"}
    found["subnet"] = world.create(SUBNET, {**zone, "cidrBlock": "10.9.0.0/24"})[0]
    found["subnet2"] = world.create(SUBNET, {**zone, "cidrBlock": "10.9.9.0/24"})[0]
    found["table"] = world.create(TABLE, {"vpcId": found["vpc"]})[0]
    found["table2"] = world.create(TABLE, {"vpcId": found["vpc"]})[0]
    found["group"] = world.create(GROUP, {"vpcId": found["vpc"]})[0]
    found["group2"] = world.create(GROUP, {"vpcId": found["vpc"]})[0]
    found["gateway"] = world.create(GATEWAY, {"vpcId": found["vpc"]})[0]
    found["eip"] = world.create(EIP, {"domain": "vpc"})[0]
    found["role"] = world.create(ROLE, {"assumeRolePolicy": TRUST})[0]
    found["profile"] = world.create(PROFILE, {"role": found["role"]})[0]
    found["ami"] = world.invoke("aws:ssm/getParameter:getParameter", {"name": DEBIAN_12})["value"]
    found["machine"] = world.create(INSTANCE, machine(found))[0]
    found["volume"] = world.create(VOLUME, {"availabilityZone": "us-east-1a", "size": 5, "type": "gp3"})[0]
    return found


def machine(base: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"ami": base["ami"], "instanceType": "t3.micro", "subnetId": base["subnet"], **more}


def whole(base: dict[str, str]) -> dict[str, Any]:
    """An instance with everything that the program gives."""
    return machine(
        base,
        vpcSecurityGroupIds=[base["group2"], base["group"]],
        iamInstanceProfile=base["profile"],
        associatePublicIpAddress=False,
        metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
        rootBlockDevice={
            "volumeSize": 50,
            "volumeType": "gp3",
            "throughput": 300,
            "encrypted": True,
            "tags": {"d": "r"},
        },
        ebsBlockDevices=[{"deviceName": "/dev/sdf", "volumeSize": 9, "volumeType": "gp3", "tags": {"d": "e"}}],
        disableApiTermination=False,
        userData="#cloud-config\n",
        tags={"Name": "w"},
    )


# type: (inputs, a change that needs no replacement or None, a change that replaces or None), of the base
CASES: dict[str, Any] = {
    VPC: lambda b: ({"cidrBlock": "10.1.0.0/16"}, {"enableDnsHostnames": True}, {"cidrBlock": "10.2.0.0/16"}),
    SUBNET: lambda b: (
        {"vpcId": b["vpc"], "cidrBlock": "10.9.1.0/24"},
        {"mapPublicIpOnLaunch": True},
        {"cidrBlock": "10.9.2.0/24"},
    ),
    GATEWAY: lambda b: ({"tags": {"a": "b"}}, {"tags": {"c": "d"}}, None),
    EIP: lambda b: ({"domain": "vpc"}, {"tags": {"c": "d"}}, None),
    EC2 + "natGateway:NatGateway": lambda b: (
        {"allocationId": b["eip"], "subnetId": b["subnet"]},
        {"tags": {"c": "d"}},
        {"subnetId": b["subnet2"]},
    ),
    TABLE: lambda b: ({"vpcId": b["vpc"]}, {"tags": {"c": "d"}}, {"vpcId": "vpc-1"}),
    EC2 + "route:Route": lambda b: (
        {"routeTableId": b["table"], "destinationCidrBlock": "0.0.0.0/0", "gatewayId": b["gateway"]},
        None,
        {"destinationCidrBlock": "1.0.0.0/8"},
    ),
    EC2 + "routeTableAssociation:RouteTableAssociation": lambda b: (
        {"routeTableId": b["table"], "subnetId": b["subnet"]},
        {"routeTableId": b["table2"]},
        {"subnetId": b["subnet2"]},
    ),
    EC2 + "vpcEndpoint:VpcEndpoint": lambda b: (
        {"vpcId": b["vpc"], "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": [b["table"], b["table2"]]},
        {"routeTableIds": [b["table2"]]},
        {"serviceName": "com.amazonaws.us-east-1.dynamodb"},
    ),
    GROUP: lambda b: ({"vpcId": b["vpc"], "description": "x"}, {"tags": {"a": "c"}}, {"description": "y"}),
    INGRESS: lambda b: (
        {"securityGroupId": b["group"], "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "10.0.0.0/8"},
        {"cidrIpv4": "10.1.0.0/16", "description": "ssh"},
        {"securityGroupId": b["group2"]},
    ),
    EGRESS: lambda b: (
        {
            "securityGroupId": b["group"],
            "ipProtocol": "-1",
            "referencedSecurityGroupId": b["group"],
            "description": "d",
        },
        {"description": "x"},
        {"securityGroupId": b["group2"]},
    ),
    KEY: lambda b: ({"publicKey": PUBLIC_KEY}, {"tags": {"a": "b"}}, {"publicKey": PUBLIC_KEY + " other"}),
    ROLE: lambda b: (
        {"assumeRolePolicy": TRUST, "description": "x"},
        {"description": "y", "maxSessionDuration": 7200},
        {"path": "/x/"},
    ),
    "aws:iam/rolePolicy:RolePolicy": lambda b: (
        {"role": b["role"], "policy": POLICY},
        {"policy": POLICY.replace("GetObject", "PutObject")},
        {"role": "other"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": lambda b: (
        {"role": b["role"], "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        None,
        {"role": "other"},
    ),
    PROFILE: lambda b: ({"role": b["role"]}, {"tags": {"a": "b"}}, {"path": "/x/"}),
    INSTANCE: lambda b: (
        whole(b),
        {"instanceType": "t3.large", "tags": {"Name": "w2"}, "vpcSecurityGroupIds": [b["group"]]},
        {"subnetId": b["subnet2"]},
    ),
    TEMPLATE: lambda b: (
        {
            "imageId": b["ami"],
            "instanceType": "p5.48xlarge",
            "updateDefaultVersion": True,
            "networkInterfaces": [{"deviceIndex": 0, "interfaceType": "efa", "subnetId": b["subnet"]}],
        },
        {"instanceType": "p4d.24xlarge"},
        {"name": "another"},
    ),
    PLACEMENT: lambda b: ({"strategy": "cluster"}, {"tags": {"a": "b"}}, {"strategy": "spread"}),
    RESERVATION: lambda b: (
        {
            "availabilityZone": "us-east-1a",
            "instanceCount": 2,
            "instancePlatform": "Linux/UNIX",
            "instanceType": "p5.48xlarge",
        },
        {"instanceCount": 3},
        {"instanceType": "p4d.24xlarge"},
    ),
    VOLUME: lambda b: (
        {"availabilityZone": "us-east-1a", "size": 10, "type": "gp3", "encrypted": True},
        {"size": 20},
        {"encrypted": False},
    ),
    EC2 + "volumeAttachment:VolumeAttachment": lambda b: (
        {"deviceName": "/dev/sdz", "instanceId": b["machine"], "volumeId": b["volume"]},
        None,
        {"deviceName": "/dev/sdy"},
    ),
}


def test_every_type_has_a_case() -> None:
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("token", CASES)
def test_life(world: World, base: dict[str, str], token: str) -> None:
    given, change, replacement = CASES[token](base)
    identity, state, inputs = world.create(token, given)
    assert identity
    assert set(state) - {"id"} <= schema.resource(token).outputs
    # nothing changed, so nothing differs, neither declared nor in a refresh
    assert world.diff(token, identity, inputs, inputs).changes == 1
    found, _, now = world.read(token, identity, state, inputs)
    assert found == identity
    assert world.diff(token, identity, now, inputs).changes == 1, (now, inputs)
    if change:
        new = {**inputs, **change}
        said = world.diff(token, identity, inputs, new)
        assert said.changes == 2
        assert not said.replaces
        assert set(said.diffs) == set(change)
        state = world.update(token, identity, state, inputs, new)
        _, _, now = world.read(token, identity, state, new)
        assert world.diff(token, identity, now, new).changes == 1, (now, new)
        assert world.diff(token, identity, now, inputs).changes == 2  # the change really arrived
        inputs = new
    if replacement:
        assert set(world.diff(token, identity, inputs, {**inputs, **replacement}).replaces) == set(replacement)
    world.delete(token, identity, state)
    assert world.read(token, identity, state, inputs)[0] == ""
    world.delete(token, identity, state)  # again: as good


@pytest.mark.parametrize("token", CASES)
def test_preview_leaves_open_what_nobody_knows(world: World, base: dict[str, str], token: str) -> None:
    identity, state, inputs = world.create(token, CASES[token](base)[0], preview=True)
    assert identity == ""
    for name in schema.resource(token).outputs - set(schema.resource(token).inputs) - {"tagsAll"}:
        assert state[name] is UNK
    assert all(state[name] == value for name, value in inputs.items() if not name.startswith("__"))


def test_names_are_made_and_kept(world: World) -> None:
    checked = world.check(PLACEMENT, {"strategy": "cluster"})
    first = dict(checked.inputs)
    assert first["name"].startswith("it-")
    assert len(first["name"]) == len("it-") + 7
    again = world.check(PLACEMENT, {"strategy": "cluster"}, {"name": "it-0000000", "__defaults": ["name"]})
    assert again.inputs["name"] == "it-0000000"
    given = world.check(PLACEMENT, {"strategy": "cluster"}, {"name": "mine"})
    assert given.inputs["name"].startswith("it-")  # a name that was given and is no more is not kept


def test_a_given_name_goes_before_its_replacement_comes(world: World) -> None:
    old = {"name": "mine", "strategy": "cluster"}
    said = world.diff(PLACEMENT, "mine", old, {**old, "strategy": "spread"})
    assert said.deleteBeforeReplace
    automatic = {**old, "__defaults": ["name"]}
    assert not world.diff(PLACEMENT, "mine", automatic, {**automatic, "strategy": "spread"}).deleteBeforeReplace


def test_drift_is_seen(world: World, base: dict[str, str]) -> None:
    cloud = world.provider.cloud
    assert cloud
    identity, state, inputs = world.create(INSTANCE, whole(base))
    cloud.ec2.create_tags(Resources=[identity], Tags=[{"Key": "Name", "Value": "x"}, {"Key": "new", "Value": "y"}])
    cloud.ec2.modify_instance_attribute(InstanceId=identity, SourceDestCheck={"Value": False})
    cloud.ec2.modify_instance_metadata_options(InstanceId=identity, HttpTokens="optional")
    _, _, now = world.read(INSTANCE, identity, state, inputs)
    said = world.diff(INSTANCE, identity, now, inputs)
    paths = {"tags.Name", "tags.new", "sourceDestCheck", "metadataOptions.httpTokens"}
    assert set(said.detailedDiff) == paths
    cloud.ec2.terminate_instances(InstanceIds=[identity])
    assert world.read(INSTANCE, identity, state, inputs)[0] == ""


def test_disks_keep_what_they_were_given(world: World, base: dict[str, str]) -> None:
    _, state, _ = world.create(INSTANCE, whole(base))
    root, data = state["rootBlockDevice"], state["ebsBlockDevices"][0]
    assert (root["volumeSize"], root["throughput"], root["encrypted"], root["tags"]) == (50, 300, True, {"d": "r"})
    assert (data["deviceName"], data["volumeSize"], data["tags"]) == ("/dev/sdf", 9, {"d": "e"})


def test_instances_from_a_template_with_efa(world: World, base: dict[str, str]) -> None:
    group = world.create(PLACEMENT, {"strategy": "cluster"})[0]
    cards = [
        {
            "deviceIndex": i,
            "networkCardIndex": i,
            "interfaceType": "efa",
            "subnetId": base["subnet"],
            "securityGroups": [base["group"]],
        }
        for i in range(2)
    ]
    template = world.create(TEMPLATE, {"networkInterfaces": cards})[0]
    given = {
        "ami": base["ami"],
        "instanceType": "p5.48xlarge",
        "launchTemplate": {"id": template, "version": "1"},
        "placementGroup": group,
    }
    identity, state, inputs = world.create(INSTANCE, given)
    assert state["placementGroup"] == group
    assert state["subnetId"] == base["subnet"]
    assert state["vpcSecurityGroupIds"] == [base["group"]]
    cloud = world.provider.cloud
    assert cloud
    found = cloud.ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
    assert [card["InterfaceType"] for card in found["NetworkInterfaces"]] == ["efa", "efa"]
    newer = {**inputs, "launchTemplate": {"id": template, "version": "2"}}
    assert list(world.diff(INSTANCE, identity, inputs, newer).replaces) == ["launchTemplate"]
    with pytest.raises(Aborted, match="has 1 instances"):
        world.delete(PLACEMENT, group, {})


def test_an_address_is_free_again_after_its_nat_gateway(world: World, base: dict[str, str]) -> None:
    token = EC2 + "natGateway:NatGateway"
    given = {"allocationId": base["eip"], "subnetId": base["subnet"]}
    identity, state, _ = world.create(token, given)
    with pytest.raises(Aborted, match="AlreadyAssociated"):
        world.create(token, given)
    world.delete(token, identity, state)
    identity, state, _ = world.create(token, given)
    world.delete(token, identity, state)


def test_termination_protection(world: World, base: dict[str, str]) -> None:
    identity, state, inputs = world.create(INSTANCE, machine(base, disableApiTermination=True))
    with pytest.raises(Aborted, match="OperationNotPermitted"):
        world.delete(INSTANCE, identity, state)
    open_again = {**inputs, "disableApiTermination": False}
    world.delete(INSTANCE, identity, world.update(INSTANCE, identity, state, inputs, open_again))


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (INSTANCE, {"ami": "a", "instanceType": "t", "hibernation": True}, "hibernation", "is not emulated"),
        (
            INSTANCE,
            {"ami": "a", "instanceType": "t", "metadataOptions": {"httpTokens": 1}},
            "metadataOptions.httpTokens",
            "str",
        ),
        (INSTANCE, {"instanceType": "t"}, "ami", "is required without a launchTemplate"),
        (INSTANCE, {"ami": "a", "instanceType": "t", "userData": "x" * 16385}, "userData", "at most 16384"),
        (GROUP, {"ingress": []}, "ingress", "is not emulated"),
        (TABLE, {"vpcId": "v", "routes": []}, "routes", "is not emulated"),
        (INGRESS, {"securityGroupId": "s", "ipProtocol": "tcp"}, "cidrIpv4", "needs exactly one of"),
        (INGRESS, {"securityGroupId": "s", "ipProtocol": "tcp", "cidrIpv4": "c"}, "fromPort", "is required"),
        (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy", "is not JSON"),
        (TEMPLATE, {"userData": "#cloud-config"}, "userData", "must be base64"),
        (
            EC2 + "route:Route",
            {"routeTableId": "r", "destinationCidrBlock": "0.0.0.0/0"},
            "gatewayId",
            "exactly one target",
        ),
    ],
)
def test_refusals(world: World, token: str, inputs: dict[str, Any], path: str, reason: str) -> None:
    found = world.failures(token, inputs)
    assert path in found
    assert reason in found[path]


def test_unknown_types_and_lookups_fail_loudly(world: World) -> None:
    with pytest.raises(Aborted, match=r"aws:s3/bucket:Bucket is not emulated"):
        world.check("aws:s3/bucket:Bucket", {})
    with pytest.raises(Aborted, match=r"has no resource aws:ec2/vpcc:Vpcc"):
        world.check("aws:ec2/vpcc:Vpcc", {})
    with pytest.raises(Aborted, match="is not emulated"):
        world.invoke("aws:ec2/getInstance:getInstance", {})
    with pytest.raises(AssertionError, match="is not an argument"):
        world.invoke("aws:ssm/getParameter:getParameter", {"nam": "x"})
    with pytest.raises(Aborted, match="ParameterNotFound"):
        world.invoke("aws:ssm/getParameter:getParameter", {"name": "/aws/service/nothing"})
    with pytest.raises(Aborted, match="unknown at creation"):
        world.create(VPC, {"cidrBlock": UNK})


def test_errors_of_the_cloud_are_told(world: World, base: dict[str, str]) -> None:
    with pytest.raises(Aborted, match=r"CreateSubnet: InvalidSubnet"):
        world.create(SUBNET, {"vpcId": base["vpc"], "cidrBlock": "192.168.0.0/24"})
    with pytest.raises(Aborted, match=r"RunInstances: InvalidAMIID.NotFound"):
        world.create(INSTANCE, machine({**base, "ami": "ami-00000000"}))


def test_default_tags_are_merged(world: World) -> None:
    url = world.provider.cloud.endpoint if world.provider.cloud else ""
    tagging = World(endpoints=[{"ec2": url}], defaultTags={"tags": {"team": "ml", "Name": "d"}})
    _, state, inputs = tagging.create(VPC, {"cidrBlock": "10.3.0.0/16", "tags": {"Name": "v"}})
    assert inputs["tags"] == state["tagsAll"] == {"team": "ml", "Name": "v"}


@pytest.mark.parametrize("endpoint", ["https://ec2.us-east-1.amazonaws.com", "http://10.0.0.1:5000", ""])
def test_nothing_but_this_machine(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(Aborted, match="works on an emulated EC2 only"):
        World()


def test_provider_configuration_that_would_be_ignored(world: World) -> None:
    from tests.support.aws_provider import proto, wire

    request = proto.CheckRequest(news=wire({"region": "us-east-1", "assumeRoles": "[]"}))
    failures = world.provider.CheckConfig(request, world.context).failures
    assert [f.property for f in failures] == ["assumeRoles"]


def test_lookups(world: World, base: dict[str, str]) -> None:
    zones = world.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert "us-east-1a" in zones["names"]
    assert world.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
    assert world.invoke("aws:index/getRegion:getRegion", {})["region"] == "us-east-1"
    assert world.invoke("aws:ec2/getVpc:getVpc", {"id": base["vpc"]})["cidrBlock"] == "10.9.0.0/16"
    with pytest.raises(Aborted, match="no matching EC2 VPC"):
        world.invoke("aws:ec2/getVpc:getVpc", {"id": "vpc-00000000"})
    image = world.invoke(
        "aws:ec2/getAmi:getAmi", {"mostRecent": True, "filters": [{"name": "image-id", "values": [base["ami"]]}]}
    )
    assert "debian" in image["name"]
    statement = {
        "actions": ["sts:AssumeRole"],
        "principals": [{"type": "Service", "identifiers": ["ec2.amazonaws.com"]}],
    }
    text = world.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})["json"]
    assert '"Service": "ec2.amazonaws.com"' in text
