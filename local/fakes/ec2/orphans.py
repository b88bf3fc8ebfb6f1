"""Remove what an interrupted update left in the emulated EC2: resources that are not in the stack's state.

The next update would make them again. It would fail (a subnet's range or a rule is taken) or make a second network.
Everything that the program makes is tagged with its stack, so these resources are found by their tag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from local.fakes.aws_provider.cloud import Cloud, absent
from local.fakes.ec2.machines import STACK_TAG
from local.fleet.errors import FleetError

Say = Callable[[str], None]
GONE = ("terminated", "shutting-down")


def end(cloud: Cloud, stack: str, resources: list[dict[str, Any]], say: Say) -> None:
    """Remove resources that have the stack's tag and are not in its state; dependent resources first.

    :param resources: those of the stack's state
    :raises FleetError: if one cannot be removed
    """
    known = {resource.get("id") for resource in resources}
    filters = [{"Name": "key", "Values": [STACK_TAG]}, {"Name": "value", "Values": [stack]}]
    pages = cloud.ec2.get_paginator("describe_tags").paginate(Filters=filters)
    found = sorted({tag["ResourceId"] for page in pages for tag in page["Tags"]} - known)
    for prefix, (kind, delete) in KINDS.items():
        for identity in found:
            if identity.startswith(f"{prefix}-") and _delete(delete, cloud.ec2, kind, identity):
                say(f"{kind} {identity} is in no stack's state: an update was cut off; taken away")
    _routes(cloud.ec2, resources, say)


def _delete(delete: Callable[[Any, str], bool | None], ec2: Any, kind: str, identity: str) -> bool:
    try:
        return delete(ec2, identity) is not False
    except ClientError as error:
        if absent(error):
            return False  # it was removed with its parent
        remedy = "python -m local.fakes.ec2 down, then up, starts afresh"
        raise FleetError(f"{kind} {identity}, left by an update that was cut off, cannot go: {error}", remedy) from None


def _instance(ec2: Any, identity: str) -> bool | None:
    (reservation,) = ec2.describe_instances(InstanceIds=[identity])["Reservations"]
    if reservation["Instances"][0]["State"]["Name"] in GONE:
        return False
    ec2.modify_instance_attribute(InstanceId=identity, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[identity])
    return None


def _rule(ec2: Any, identity: str) -> None:
    (rule,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"]
    revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
    revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[identity])


def _table(ec2: Any, identity: str) -> None:
    (table,) = ec2.describe_route_tables(RouteTableIds=[identity])["RouteTables"]
    for one in table["Associations"]:
        if not one.get("Main"):
            ec2.disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=identity)


def _gateway(ec2: Any, identity: str) -> None:
    (gateway,) = ec2.describe_internet_gateways(InternetGatewayIds=[identity])["InternetGateways"]
    for one in gateway["Attachments"]:
        ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=one["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=identity)


def _nat(ec2: Any, identity: str) -> bool | None:
    (gateway,) = ec2.describe_nat_gateways(NatGatewayIds=[identity])["NatGateways"]
    if gateway["State"] in ("deleting", "deleted"):
        return False
    ec2.delete_nat_gateway(NatGatewayId=identity)
    return None


def _routes(ec2: Any, resources: list[dict[str, Any]], say: Say) -> None:
    """Routes have no tags: compare the routes of the state's tables with those in the state."""
    tables = [r["id"] for r in resources if r.get("type") == "aws:ec2/routeTable:RouteTable"]
    known = {
        (r["outputs"].get("routeTableId"), r["outputs"].get("destinationCidrBlock"))
        for r in resources
        if r.get("type") == "aws:ec2/route:Route"
    }
    for table in ec2.describe_route_tables(RouteTableIds=tables)["RouteTables"] if tables else []:
        for route in table["Routes"]:
            at = (table["RouteTableId"], route.get("DestinationCidrBlock"))
            ways = [route[way] for way in ("GatewayId", "NatGatewayId") if route.get(way)]
            ours = at[1] and ways and not any(way == "local" or way.startswith("vpce-") for way in ways)
            if ours and at not in known:
                ec2.delete_route(RouteTableId=at[0], DestinationCidrBlock=at[1])
                say(f"route to {at[1]} in {at[0]} is in no stack's state: an update was cut off; taken away")


KINDS: dict[str, tuple[str, Callable[[Any, str], bool | None]]] = {
    "i": ("instance", _instance),
    "vpce": ("endpoint", lambda ec2, one: ec2.delete_vpc_endpoints(VpcEndpointIds=[one]) and None),
    "nat": ("NAT gateway", _nat),
    "eipalloc": ("address", lambda ec2, one: ec2.release_address(AllocationId=one) and None),
    "lt": ("launch template", lambda ec2, one: ec2.delete_launch_template(LaunchTemplateId=one) and None),
    "sgr": ("rule", _rule),
    "sg": ("security group", lambda ec2, one: ec2.delete_security_group(GroupId=one) and None),
    "rtb": ("route table", _table),
    "igw": ("internet gateway", _gateway),
    "subnet": ("subnet", lambda ec2, one: ec2.delete_subnet(SubnetId=one) and None),
    "vpc": ("network", lambda ec2, one: ec2.delete_vpc(VpcId=one) and None),
}
