"""Lookups (invokes): what a program asks the cloud without owning it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from typing import Any

from local.fakes.aws_provider.cloud import Cloud, mapping
from local.fakes.aws_provider.wire import Values


class LookupRefused(Exception):
    """A lookup that found nothing, or was asked for what is not emulated."""


def caller_identity(cloud: Cloud, given: Values) -> Values:
    """GetCallerIdentity."""
    who = cloud.client("sts").get_caller_identity()
    return {"accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"], "id": who["Account"]}


def region(cloud: Cloud, given: Values) -> Values:
    """The provider's region."""
    name = given.get("region") or cloud.region
    return {"id": name, "name": name, "region": name, "endpoint": f"ec2.{name}.amazonaws.com", "description": name}


def partition(cloud: Cloud, given: Values) -> Values:
    """The partition."""
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def availability_zones(cloud: Cloud, given: Values) -> Values:
    """DescribeAvailabilityZones, filtered by state."""
    zones = cloud.ec2.describe_availability_zones(Filters=_filters(given))["AvailabilityZones"]
    state, left_out = given.get("state"), set(given.get("excludeNames") or [])
    found = [z for z in zones if z["ZoneName"] not in left_out and (state is None or z["State"] == state)]
    return {
        "id": cloud.region,
        "names": [zone["ZoneName"] for zone in found],
        "zoneIds": [zone.get("ZoneId", "") for zone in found],
        "groupNames": sorted({zone.get("GroupName", cloud.region) for zone in found}),
    }


def parameter(cloud: Cloud, given: Values) -> Values:
    """GetParameter; the parameters of public images are those of `local/fakes/ec2/machine_images.py`."""
    found = cloud.client("ssm").get_parameter(Name=given["name"], WithDecryption=given.get("withDecryption", True))
    item = found["Parameter"]
    arn = item.get("ARN", "")
    return {
        "id": given["name"],
        "name": given["name"],
        "arn": arn,
        "type": item["Type"],
        "value": item["Value"],
        "insecureValue": item["Value"],
        "version": item.get("Version", 1),
        "region": cloud.region,
    }


def _filters(given: Values) -> list[Values]:
    return [{"Name": f["name"], "Values": f["values"]} for f in given.get("filters") or []]


def ami(cloud: Cloud, given: Values) -> Values:
    """DescribeImages; exactly one image, or the newest where that was asked for."""
    images = cloud.ec2.describe_images(Filters=_filters(given))["Images"]
    if given.get("nameRegex"):
        images = [i for i in images if re.search(given["nameRegex"], i.get("Name", ""))]
    images.sort(key=lambda i: i.get("CreationDate", ""), reverse=True)
    if not images:
        raise LookupRefused("Your query returned no results. Please change your search criteria and try again.")
    if len(images) > 1 and not given.get("mostRecent"):
        raise LookupRefused("Your query returned more than one result. Please try a more specific search criteria")
    image = images[0]
    return {
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "name": image.get("Name", ""),
        "architecture": image.get("Architecture", ""),
        "rootDeviceName": image.get("RootDeviceName", ""),
        "description": image.get("Description", ""),
        "creationDate": image.get("CreationDate", ""),
        "state": image.get("State", "available"),
        "tags": mapping(image.get("Tags")),
    }


def _one(found: list[Values], what: str) -> Values:
    if len(found) != 1:
        raise LookupRefused(f"{'no' if not found else 'multiple'} matching {what} found")
    return found[0]


def _selection(given: Values, pairs: dict[str, str]) -> list[Values]:
    chosen = [{"Name": name, "Values": [str(given[key])]} for key, name in pairs.items() if given.get(key) is not None]
    chosen += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (given.get("tags") or {}).items()]
    return chosen + _filters(given)


def vpc(cloud: Cloud, given: Values) -> Values:
    """DescribeVpcs; exactly one."""
    chosen = _selection(given, {"id": "vpc-id", "cidrBlock": "cidr", "default": "is-default"})
    found = _one(cloud.ec2.describe_vpcs(Filters=chosen)["Vpcs"], "EC2 VPC")
    return {
        "id": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "default": found.get("IsDefault", False),
        "state": found["State"],
        "instanceTenancy": found.get("InstanceTenancy", "default"),
        "ownerId": cloud.account,
        "arn": cloud.arn("ec2", f"vpc/{found['VpcId']}"),
        "tags": mapping(found.get("Tags")),
    }


def subnet(cloud: Cloud, given: Values) -> Values:
    """DescribeSubnets; exactly one."""
    chosen = _selection(
        given,
        {"id": "subnet-id", "vpcId": "vpc-id", "availabilityZone": "availability-zone", "cidrBlock": "cidr-block"},
    )
    found = _one(cloud.ec2.describe_subnets(Filters=chosen)["Subnets"], "EC2 Subnet")
    return {
        "id": found["SubnetId"],
        "vpcId": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "availabilityZone": found["AvailabilityZone"],
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "arn": cloud.arn("ec2", f"subnet/{found['SubnetId']}"),
        "tags": mapping(found.get("Tags")),
    }


def prefix_list(cloud: Cloud, given: Values) -> Values:
    """DescribeManagedPrefixLists; exactly one."""
    chosen = _selection(given, {"name": "prefix-list-name", "prefixListId": "prefix-list-id", "id": "prefix-list-id"})
    found = _one(cloud.ec2.describe_managed_prefix_lists(Filters=chosen)["PrefixLists"], "EC2 Prefix List")
    return {
        "id": found["PrefixListId"],
        "name": found["PrefixListName"],
        "prefixListId": found["PrefixListId"],
        "cidrBlocks": [],
    }


def policy_document(cloud: Cloud, given: Values) -> Values:
    """An IAM policy as JSON; works without a cloud."""
    statements = []
    for statement in given.get("statements") or []:
        item: Values = {"Effect": statement.get("effect", "Allow")}
        if statement.get("sid"):
            item["Sid"] = statement["sid"]
        for name, key in (("actions", "Action"), ("notActions", "NotAction"), ("resources", "Resource")):
            values = statement.get(name)
            if values:
                item[key] = values[0] if len(values) == 1 else values
        for principal in statement.get("principals") or []:
            item.setdefault("Principal", {})[principal["type"]] = (
                principal["identifiers"][0] if len(principal["identifiers"]) == 1 else principal["identifiers"]
            )
        for condition in statement.get("conditions") or []:
            test = item.setdefault("Condition", {}).setdefault(condition["test"], {})
            test[condition["variable"]] = (
                condition["values"][0] if len(condition["values"]) == 1 else condition["values"]
            )
        statements.append(item)
    text = json.dumps({"Version": given.get("version", "2012-10-17"), "Statement": statements}, indent=2)
    return {
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": json.dumps(json.loads(text), separators=(",", ":")),
    }


LOOKUPS: dict[str, tuple[Callable[[Cloud, Values], Values], frozenset[str] | None]] = {
    # token: function, arguments that are understood (None: all that pulumi_aws knows)
    "aws:index/getCallerIdentity:getCallerIdentity": (caller_identity, None),
    "aws:index/getRegion:getRegion": (region, frozenset({"region", "name"})),
    "aws:index/getPartition:getPartition": (partition, None),
    "aws:index/getAvailabilityZones:getAvailabilityZones": (
        availability_zones,
        frozenset({"state", "filters", "excludeNames", "region"}),
    ),
    "aws:ssm/getParameter:getParameter": (parameter, None),
    "aws:ec2/getAmi:getAmi": (ami, frozenset({"filters", "mostRecent", "nameRegex", "owners", "region"})),
    "aws:ec2/getVpc:getVpc": (vpc, frozenset({"id", "cidrBlock", "default", "filters", "tags", "region"})),
    "aws:ec2/getSubnet:getSubnet": (
        subnet,
        frozenset({"id", "vpcId", "availabilityZone", "cidrBlock", "filters", "tags", "region"}),
    ),
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": (prefix_list, frozenset({"id", "name", "filters", "region"})),
    "aws:ec2/getPrefixList:getPrefixList": (prefix_list, frozenset({"prefixListId", "name", "filters", "region"})),
    "aws:iam/getPolicyDocument:getPolicyDocument": (policy_document, frozenset({"statements", "version"})),
}


def refused(token: str, given: Values, known: frozenset[str]) -> Any:
    """Names of arguments that a lookup does not take at all, or that are not emulated."""
    understood = LOOKUPS[token][1]
    unknown = sorted(set(given) - known)
    silent = sorted(k for k in given if understood is not None and k not in understood and given[k] is not None)
    return unknown, [name for name in silent if name not in unknown]
