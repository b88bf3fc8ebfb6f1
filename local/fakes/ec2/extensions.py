"""What moto's EC2 lacks and the program needs, added as API actions of the same server.

Because they are actions of the endpoint, they serve every caller: this repository's fake provider, or the
official one.

- placement groups and capacity reservations (absent in moto 5.2);
- what RunInstances drops: placement, capacity reservation, EFA interfaces, throughput, and most of a launch template;
- RunInstances and ModifySecurityGroupRules refuse what AWS would refuse and moto takes or ignores;
- machine images and the public parameters that name them.
"""

from __future__ import annotations

import inspect
import json
import secrets
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidParameterValue
from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses import EC2Response
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.ssm.models import Parameter, ParameterDict

from local.fakes.ec2.machine_images import IMAGES

Values = dict[str, Any]


class Refused(ServiceException):
    """An EC2 error with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _store(backend: Any, name: str) -> dict[str, Values]:
    """A table kept in moto's own EC2 backend, so that it is saved and restored with it."""
    attribute = f"lockstep_{name}"
    if not hasattr(backend, attribute):
        setattr(backend, attribute, {})
    table: dict[str, Values] = getattr(backend, attribute)
    return table


def _tags(response: Any, kind: str) -> dict[str, str]:
    found: dict[str, str] = response._parse_tag_specification().get(kind, {})
    return found


def _tagged(response: Any, item: Values, identity: str) -> Values:
    tags = response.ec2_backend.describe_tags({"resource-id": [identity]})
    return {**item, "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in tags]}


# --- placement groups


def create_placement_group(self: Any) -> ActionResult:
    """CreatePlacementGroup."""
    groups = _store(self.ec2_backend, "placement_groups")
    name, strategy = self._get_param("GroupName"), self._get_param("Strategy", "cluster")
    if name in groups:
        raise Refused("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
    identity = "pg-" + secrets.token_hex(9)[:17]
    groups[name] = {"GroupName": name, "GroupId": identity, "Strategy": strategy, "State": "available"}
    for key, parameter in (("PartitionCount", "PartitionCount"), ("SpreadLevel", "SpreadLevel")):
        if self._get_param(parameter):
            groups[name][key] = self._get_param(parameter)
    self.ec2_backend.create_tags([identity], _tags(self, "placement-group"))
    return ActionResult({"PlacementGroup": _tagged(self, groups[name], identity)})


def describe_placement_groups(self: Any) -> ActionResult:
    """DescribePlacementGroups, by names or ids."""
    groups = _store(self.ec2_backend, "placement_groups")
    names, ids = self._get_param("GroupNames", []), self._get_param("GroupIds", [])
    for name in names:
        _placement_group(self.ec2_backend, name)
    found = [g for g in groups.values() if (not names or g["GroupName"] in names) and (not ids or g["GroupId"] in ids)]
    return ActionResult({"PlacementGroups": [_tagged(self, g, g["GroupId"]) for g in found]})


def delete_placement_group(self: Any) -> ActionResult:
    """DeletePlacementGroup; refused while instances are in it."""
    name = self._get_param("GroupName")
    _placement_group(self.ec2_backend, name)
    living = [i for i in self.ec2_backend.all_instances() if i.state != "terminated" and i.placement.group_name == name]
    if living:
        raise Refused("InvalidPlacementGroup.InUse", f"The placement group '{name}' has {len(living)} instances.")
    del _store(self.ec2_backend, "placement_groups")[name]
    return EmptyResult()


def _placement_group(backend: Any, name: str) -> Values:
    groups = _store(backend, "placement_groups")
    if name not in groups:
        raise Refused("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    return groups[name]


# --- capacity reservations


def create_capacity_reservation(self: Any) -> ActionResult:
    """CreateCapacityReservation."""
    identity = "cr-" + secrets.token_hex(9)[:17]
    count = self._get_int_param("InstanceCount")
    item = {
        "CapacityReservationId": identity,
        "InstanceType": self._get_param("InstanceType"),
        "InstancePlatform": self._get_param("InstancePlatform"),
        "AvailabilityZone": self._get_param("AvailabilityZone"),
        "Tenancy": self._get_param("Tenancy", "default"),
        "TotalInstanceCount": count,
        "AvailableInstanceCount": count,
        "EbsOptimized": bool(self._get_param("EbsOptimized", False)),
        "EndDateType": self._get_param("EndDateType", "unlimited"),
        "InstanceMatchCriteria": self._get_param("InstanceMatchCriteria", "open"),
        "State": "active",
        "CreateDate": utcnow(),
    }
    _store(self.ec2_backend, "capacity_reservations")[identity] = item
    self.ec2_backend.create_tags([identity], _tags(self, "capacity-reservation"))
    return ActionResult({"CapacityReservation": _tagged(self, item, identity)})


def describe_capacity_reservations(self: Any) -> ActionResult:
    """DescribeCapacityReservations."""
    table = _store(self.ec2_backend, "capacity_reservations")
    ids = self._get_param("CapacityReservationIds", [])
    for identity in ids:
        _reservation(self.ec2_backend, identity)
    found = [item for identity, item in table.items() if not ids or identity in ids]
    return ActionResult({"CapacityReservations": [_tagged(self, i, i["CapacityReservationId"]) for i in found]})


def modify_capacity_reservation(self: Any) -> ActionResult:
    """ModifyCapacityReservation: count and end."""
    item = _reservation(self.ec2_backend, self._get_param("CapacityReservationId"))
    if self._get_param("InstanceCount"):
        item["TotalInstanceCount"] = item["AvailableInstanceCount"] = self._get_int_param("InstanceCount")
    if self._get_param("EndDateType"):
        item["EndDateType"] = self._get_param("EndDateType")
    return ActionResult({"Return": True})


def cancel_capacity_reservation(self: Any) -> ActionResult:
    """CancelCapacityReservation; it stays visible as cancelled, as AWS's does."""
    _reservation(self.ec2_backend, self._get_param("CapacityReservationId"))["State"] = "cancelled"
    return ActionResult({"Return": True})


def _reservation(backend: Any, identity: str) -> Values:
    table = _store(backend, "capacity_reservations")
    if identity not in table:
        raise Refused("InvalidCapacityReservationId.NotFound", f"The Capacity Reservation '{identity}' does not exist.")
    return table[identity]


# --- instances

FROM_TEMPLATE = [
    "NetworkInterfaces",
    "Placement",
    "MetadataOptions",
    "BlockDeviceMappings",
    "IamInstanceProfile",
    "Monitoring",
    "EbsOptimized",
    "InstanceMarketOptions",
    "CapacityReservationSpecification",
    "InstanceInitiatedShutdownBehavior",
]


_run_instances = EC2Response.run_instances


def run_instances(self: Any) -> ActionResult:
    """RunInstances, with the launch template's data in the request's gaps, and with what moto drops kept."""
    template = self._get_param("LaunchTemplate", {})
    data = self.ec2_backend._get_template_from_args(template).data if template else {}
    for key in FROM_TEMPLATE:
        if data.get(key) and not self.params.get(key):
            self.params[key] = data[key]
    placement = self._get_param("Placement", {})
    capacity = self._get_param("CapacityReservationSpecification", {})
    if placement.get("GroupName"):
        _placement_group(self.ec2_backend, placement["GroupName"])
    target = capacity.get("CapacityReservationTarget", {}).get("CapacityReservationId")
    image = self._get_param("ImageId") or data.get("ImageId")
    if not image:
        raise Refused("MissingParameter", "The request must contain the parameter ImageId")
    if image not in self.ec2_backend.amis:
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
    result = _run_instances(self)
    made: Any = result.result
    for instance in made.instances:
        instance.placement.group_name = placement.get("GroupName", "")
        instance.placement.tenancy = placement.get("Tenancy", "default")
        if capacity:
            instance.capacity_reservation_specification = capacity
            instance.capacity_reservation_id = target
        if data.get("DisableApiTermination") or self._get_param("DisableApiTermination"):
            instance.disable_api_termination = True
        _interfaces(instance, self._get_param("NetworkInterfaces", []))
        _volumes(instance, self._get_param("BlockDeviceMappings", []))
    return result


def _interfaces(instance: Any, wanted: list[Values]) -> None:
    for want in wanted:
        interface = instance.nics.get(int(want.get("DeviceIndex", 0)))
        if interface is not None:
            interface.interface_type = want.get("InterfaceType", "interface")


def _volumes(instance: Any, wanted: list[Values]) -> None:
    for want in wanted:
        block = instance.block_device_mapping.get(want.get("DeviceName"))
        if block is None:
            continue
        volume, ebs = instance.ec2_backend.get_volume(block.volume_id), want.get("Ebs", {})
        for key, attribute in (("Throughput", "throughput"), ("Iops", "iops")):
            if ebs.get(key):
                setattr(volume, attribute, int(ebs[key]))


_modify_groups = InstanceBackend.modify_instance_security_groups


def modify_instance_security_groups(self: Any, instance_id: str, new_group_id_list: list[str]) -> Any:
    """ModifyInstanceAttribute of groups: they are the primary interface's, which moto leaves as they were."""
    instance = _modify_groups(self, instance_id, new_group_id_list)
    if 0 in instance.nics:
        instance.nics[0]._group_set = list(instance.security_groups)
    return instance


# --- NAT gateways

_delete_nat_gateway = NatGatewayBackend.delete_nat_gateway


def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
    """DeleteNatGateway; its address is free and its interface gone afterwards, which moto forgets."""
    gateway = self.nat_gateways.get(nat_gateway_id)
    if gateway is None:
        raise Refused("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    if gateway.state != "deleted":
        for address in list(self.addresses):
            if address.eni is gateway._eni and address.association_id:
                self.disassociate_address(association_id=address.association_id)
        self.enis.pop(gateway._eni.id, None)
    return _delete_nat_gateway(self, nat_gateway_id)


# --- tags of what moto does not know

_create_tags, _delete_tags = EC2Response.create_tags, EC2Response.delete_tags


def _ours(response: Any) -> tuple[list[str], list[str]]:
    """Resource ids of a request, ours and moto's."""
    ids = response._get_param("Resources", [])
    known = {group["GroupId"] for group in _store(response.ec2_backend, "placement_groups").values()}
    known |= set(_store(response.ec2_backend, "capacity_reservations"))
    return [i for i in ids if i in known], [i for i in ids if i not in known]


def create_tags(self: Any) -> ActionResult:
    """CreateTags, also for placement groups and capacity reservations."""
    ours, others = _ours(self)
    self.ec2_backend.create_tags(ours, {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])})
    self.params["Resources"] = others
    return _create_tags(self) if others else EmptyResult()


def delete_tags(self: Any) -> ActionResult:
    """DeleteTags, also for placement groups and capacity reservations."""
    ours, others = _ours(self)
    self.ec2_backend.delete_tags(ours, {tag["Key"]: tag.get("Value") for tag in self._get_param("Tags", [])})
    self.params["Resources"] = others
    return _delete_tags(self) if others else EmptyResult()


# --- security group rules

_modify_rules = EC2Response.modify_security_group_rules
_make_rule = SecurityGroupRule.__init__


def make_rule(self: Any, *arguments: Any, **named: Any) -> None:
    """A rule that keeps its description also where its source is a group or a prefix list."""
    _make_rule(self, *arguments, **named)
    bound = inspect.signature(_make_rule).bind(self, *arguments, **named).arguments
    sources = (bound.get("source_group") or {}, bound.get("prefix_list_id") or {})
    self.lockstep_description = next((s["Description"] for s in sources if s.get("Description")), None)


def rule_description(self: Any) -> str | None:
    """Its description, whatever its source."""
    found: str | None = self.ip_range.get("Description") or getattr(self, "lockstep_description", None)
    return found


def modify_security_group_rules(self: Any) -> ActionResult:
    """ModifySecurityGroupRules, also for groups and prefix lists, which moto leaves as they are; their kind stays."""
    for update in self._get_param("SecurityGroupRules", []):
        new = update.get("SecurityGroupRule", {})
        group = self.ec2_backend.get_security_group_by_name_or_id(self._get_param("GroupId"))
        rule = group.get_rule(update["SecurityGroupRuleId"]) if group else None
        if rule is None or "CidrIpv4" in new:
            return _modify_rules(self)
        if new.get("PrefixListId") != rule.prefix_list_id or "CidrIpv6" in new or rule.cidr_ipv4:
            raise InvalidParameterValue("this emulated EC2 does not change what kind of source a rule has")
        if "ReferencedGroupId" in new:
            rule.source_group = {**rule.source_group, "GroupId": new["ReferencedGroupId"]}
        rule.lockstep_description = new.get("Description")
        rule.ip_protocol = new["IpProtocol"]
        ports = rule.ip_protocol != "-1"
        rule.from_port, rule.to_port = (int(new["FromPort"]), int(new["ToPort"])) if ports else (None, None)
    return ActionResult({"Return": True})


# --- AWS's own policies

_attach_role_policy = IAMBackend.attach_role_policy


def attach_role_policy(self: Any, policy_arn: str, role_name: str) -> None:
    """AttachRolePolicy; of AWS's 1,300 own policies moto gets those that are used, since loading all costs seconds."""
    name = policy_arn.removeprefix("arn:aws:iam::aws:policy/").rpartition("/")[2]
    if policy_arn not in self.managed_policies and policy_arn.startswith("arn:aws:iam::aws:policy/"):
        known = json.loads(aws_managed_policies_data)
        if name in known:
            policy = AWSManagedPolicy.from_data(name, self.account_id, self.region_name, known[name])
            if policy.arn == policy_arn:
                self.managed_policies[policy_arn] = policy
    _attach_role_policy(self, policy_arn, role_name)


# --- images and parameters


class Parameters(ParameterDict):
    """Moto's parameters with the public ones of our images before its own snapshots of AWS's."""

    def _check_loading_status(self, key: str) -> None:
        image = IMAGES.get(str(key or ""))
        if image and not dict.__contains__(self, image.parameter):
            dict.__setitem__(
                self,
                image.parameter,
                [
                    Parameter(  # type: ignore[abstract]
                        account_id=self.account_id,
                        name=image.parameter,
                        value=image.identity,
                        parameter_type="String",
                        description=None,
                        allowed_pattern=None,
                        keyid=None,
                        last_modified_date=utcnow(),
                        version=1,
                        data_type="aws:ec2:image",
                        tier="Standard",
                    )
                ],
            )


def add_images(backend: Any) -> None:
    """Offer the images of `machine_images` in an EC2 backend; those that are there already are left alone."""
    for image in IMAGES.values():
        if image.identity not in backend.amis:
            backend.amis[image.identity] = Ami(
                backend,
                image.identity,
                name=image.name,
                description=f"emulated: a container with Debian {image.suite} stands in for {image.parameter}",
                owner_alias="self",
                public=True,
                virtualization_type="hvm",
                architecture=image.architecture,
                root_device_type="ebs",
                root_device_name=image.root_device,
                region_name=f"{backend.region_name}a",
            )


def install() -> None:
    """Put all of it into moto; to be called before its first request."""
    from moto.ssm import models as ssm

    InstanceBackend.modify_instance_security_groups = modify_instance_security_groups  # type: ignore[method-assign]
    NatGatewayBackend.delete_nat_gateway = delete_nat_gateway  # type: ignore[method-assign]
    SecurityGroupRule.__init__ = make_rule  # type: ignore[method-assign]
    SecurityGroupRule.description = property(rule_description)  # type: ignore[assignment]
    IAMBackend.attach_role_policy = attach_role_policy  # type: ignore[method-assign]
    ssm.ParameterDict = Parameters  # type: ignore[misc]
    for function in (
        create_placement_group,
        describe_placement_groups,
        delete_placement_group,
        create_capacity_reservation,
        describe_capacity_reservations,
        modify_capacity_reservation,
        cancel_capacity_reservation,
        run_instances,
        modify_security_group_rules,
        create_tags,
        delete_tags,
    ):
        setattr(EC2Response, function.__name__, function)
