"""Networks: VPC, subnets, gateways, addresses, routes, endpoints."""

from __future__ import annotations

import hashlib
from typing import Any

from local.fakes.aws_provider.cloud import Cloud, given, specification
from local.fakes.aws_provider.kinds.base import Kind, Path, names, only, tagged
from local.fakes.aws_provider.wire import Values


class Vpc(Kind):
    """A virtual private cloud."""

    token = "aws:ec2/vpc:Vpc"
    inputs = names("cidrBlock enableDnsSupport enableDnsHostnames instanceTenancy region tags")
    replaces = names("cidrBlock instanceTenancy region")
    computed = names("region")
    defaults = {"enableDnsSupport": True, "enableDnsHostnames": False, "instanceTenancy": "default"}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateVpc and its attributes."""
        tenancy = inputs.get("instanceTenancy", "default")
        made = cloud.ec2.create_vpc(
            CidrBlock=inputs["cidrBlock"], InstanceTenancy=tenancy, **specification("vpc", inputs.get("tags"))
        )
        identity: str = made["Vpc"]["VpcId"]
        self._attributes(cloud, identity, inputs)
        return identity

    def _attributes(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            value = {"Value": inputs.get(name, self.defaults[name])}
            cloud.ec2.modify_vpc_attribute(VpcId=identity, **{name[0].upper() + name[1:]: value})

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeVpcs and what the new VPC was given."""
        vpc = cloud.first("describe_vpcs", "Vpcs", Filters=[{"Name": "vpc-id", "Values": [identity]}])
        if not vpc:
            return None
        within = [{"Name": "vpc-id", "Values": [identity]}]

        def attribute(name: str) -> bool:
            found = cloud.ec2.describe_vpc_attribute(VpcId=identity, Attribute=name)
            return bool(found[name[0].upper() + name[1:]]["Value"])

        main = [*within, {"Name": "association.main", "Values": ["true"]}]
        table = cloud.first("describe_route_tables", "RouteTables", Filters=main) or {}
        group = cloud.first(
            "describe_security_groups",
            "SecurityGroups",
            Filters=[*within, {"Name": "group-name", "Values": ["default"]}],
        )
        acl = cloud.first(
            "describe_network_acls", "NetworkAcls", Filters=[*within, {"Name": "default", "Values": ["true"]}]
        )
        return {
            "cidrBlock": vpc["CidrBlock"],
            "instanceTenancy": vpc.get("InstanceTenancy", "default"),
            "enableDnsSupport": attribute("enableDnsSupport"),
            "enableDnsHostnames": attribute("enableDnsHostnames"),
            "mainRouteTableId": table.get("RouteTableId"),
            "defaultRouteTableId": table.get("RouteTableId"),
            "defaultSecurityGroupId": (group or {}).get("GroupId"),
            "defaultNetworkAclId": (acl or {}).get("NetworkAclId"),
            "dhcpOptionsId": vpc.get("DhcpOptionsId"),
            "ownerId": cloud.account,
            "arn": cloud.arn("ec2", f"vpc/{identity}"),
            **tagged(vpc),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Attributes and tags."""
        if changed & {"enableDnsSupport", "enableDnsHostnames"}:
            self._attributes(cloud, identity, new)
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteVpc."""
        cloud.ec2.delete_vpc(VpcId=identity)


class Subnet(Kind):
    """A subnet of a VPC."""

    token = "aws:ec2/subnet:Subnet"
    inputs = names("vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch region tags")
    replaces = names("vpcId cidrBlock availabilityZone availabilityZoneId region")
    computed = names("availabilityZone availabilityZoneId region")
    defaults = {"mapPublicIpOnLaunch": False}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateSubnet."""
        made = cloud.ec2.create_subnet(
            VpcId=inputs["vpcId"],
            CidrBlock=inputs["cidrBlock"],
            **given(
                AvailabilityZone=inputs.get("availabilityZone"), AvailabilityZoneId=inputs.get("availabilityZoneId")
            ),
            **specification("subnet", inputs.get("tags")),
        )
        identity: str = made["Subnet"]["SubnetId"]
        if inputs.get("mapPublicIpOnLaunch"):
            cloud.ec2.modify_subnet_attribute(SubnetId=identity, MapPublicIpOnLaunch={"Value": True})
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeSubnets."""
        subnet = cloud.first("describe_subnets", "Subnets", SubnetIds=[identity])
        if not subnet:
            return None
        return {
            "vpcId": subnet["VpcId"],
            "cidrBlock": subnet["CidrBlock"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId"),
            "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
            "ownerId": cloud.account,
            "arn": cloud.arn("ec2", f"subnet/{identity}"),
            **tagged(subnet),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Public addresses on launch, tags."""
        if "mapPublicIpOnLaunch" in changed:
            wanted = {"Value": bool(new.get("mapPublicIpOnLaunch"))}
            cloud.ec2.modify_subnet_attribute(SubnetId=identity, MapPublicIpOnLaunch=wanted)
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteSubnet."""
        cloud.ec2.delete_subnet(SubnetId=identity)


class InternetGateway(Kind):
    """The VPC's way to the internet."""

    token = "aws:ec2/internetGateway:InternetGateway"
    inputs = names("vpcId region tags")
    replaces = names("region")
    computed = names("vpcId region")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateInternetGateway, attached at once when a VPC is named."""
        made = cloud.ec2.create_internet_gateway(**specification("internet-gateway", inputs.get("tags")))
        identity: str = made["InternetGateway"]["InternetGatewayId"]
        if inputs.get("vpcId"):
            cloud.ec2.attach_internet_gateway(InternetGatewayId=identity, VpcId=inputs["vpcId"])
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeInternetGateways."""
        gateway = cloud.first("describe_internet_gateways", "InternetGateways", InternetGatewayIds=[identity])
        if not gateway:
            return None
        attached = gateway.get("Attachments") or [{}]
        arn = cloud.arn("ec2", f"internet-gateway/{identity}")
        return {"vpcId": attached[0].get("VpcId", ""), "ownerId": cloud.account, "arn": arn, **tagged(gateway)}

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Attach elsewhere, tags."""
        if "vpcId" in changed:
            if old.get("vpcId"):
                cloud.ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=old["vpcId"])
            if new.get("vpcId"):
                cloud.ec2.attach_internet_gateway(InternetGatewayId=identity, VpcId=new["vpcId"])
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """Detach from where it is now, then DeleteInternetGateway."""
        now = self.read(cloud, identity, known)
        if now and now["vpcId"]:
            cloud.ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=now["vpcId"])
        cloud.ec2.delete_internet_gateway(InternetGatewayId=identity)


class Eip(Kind):
    """A public address that stays."""

    token = "aws:ec2/eip:Eip"
    inputs = names("domain region tags")
    replaces = names("domain region")
    computed = names("domain networkBorderGroup publicIpv4Pool instance networkInterface region")
    defaults = {"domain": "vpc"}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """AllocateAddress."""
        made = cloud.ec2.allocate_address(
            Domain=inputs.get("domain", "vpc"), **specification("elastic-ip", inputs.get("tags"))
        )
        identity: str = made["AllocationId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeAddresses."""
        address = cloud.first("describe_addresses", "Addresses", AllocationIds=[identity])
        if not address:
            return None
        dashed = address["PublicIp"].replace(".", "-")
        return {
            "domain": address["Domain"],
            "allocationId": identity,
            "publicIp": address["PublicIp"],
            "publicDns": f"ec2-{dashed}.compute-1.amazonaws.com",
            "associationId": address.get("AssociationId", ""),
            "networkInterface": address.get("NetworkInterfaceId", ""),
            "instance": address.get("InstanceId", ""),
            "privateIp": address.get("PrivateIpAddress", ""),
            "networkBorderGroup": cloud.region,
            "publicIpv4Pool": "amazon",
            "arn": cloud.arn("ec2", f"elastic-ip/{identity}"),
            **tagged(address),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Tags."""
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """ReleaseAddress."""
        cloud.ec2.release_address(AllocationId=identity)


class NatGateway(Kind):
    """The way out for private subnets."""

    token = "aws:ec2/natGateway:NatGateway"
    inputs = names("allocationId subnetId connectivityType region tags")
    replaces = names("allocationId subnetId connectivityType region")
    computed = names("privateIp region")
    defaults = {"connectivityType": "public"}

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """A public one has an address, a private one has none."""
        public = inputs.get("connectivityType", "public") == "public"
        if not inputs.get("subnetId"):
            return [("subnetId", "is required (regional NAT gateways are not emulated)")]
        if public != bool(inputs.get("allocationId")):
            return [("allocationId", "is required when public" if public else "is for public ones only")]
        return []

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateNatGateway."""
        made = cloud.ec2.create_nat_gateway(
            SubnetId=inputs["subnetId"],
            ConnectivityType=inputs.get("connectivityType", "public"),
            **given(AllocationId=inputs.get("allocationId")),
            **specification("natgateway", inputs.get("tags")),
        )
        identity: str = made["NatGateway"]["NatGatewayId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeNatGateways."""
        wanted = [{"Name": "nat-gateway-id", "Values": [identity]}]
        gateway = cloud.first("describe_nat_gateways", "NatGateways", Filters=wanted)
        if not gateway or gateway["State"] in ("deleted", "deleting"):
            return None
        address = (gateway.get("NatGatewayAddresses") or [{}])[0]
        return {
            "subnetId": gateway["SubnetId"],
            "connectivityType": gateway.get("ConnectivityType", "public"),
            "allocationId": address.get("AllocationId"),
            "publicIp": address.get("PublicIp", ""),
            "privateIp": address.get("PrivateIp", ""),
            "networkInterfaceId": address.get("NetworkInterfaceId", ""),
            **tagged(gateway),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Tags."""
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteNatGateway."""
        cloud.ec2.delete_nat_gateway(NatGatewayId=identity)


class RouteTable(Kind):
    """A route table; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    inputs = names("vpcId region tags")
    replaces = names("vpcId region")
    computed = names("routes propagatingVgws region")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateRouteTable."""
        made = cloud.ec2.create_route_table(VpcId=inputs["vpcId"], **specification("route-table", inputs.get("tags")))
        identity: str = made["RouteTable"]["RouteTableId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeRouteTables."""
        table = cloud.first("describe_route_tables", "RouteTables", RouteTableIds=[identity])
        if not table:
            return None
        arn = cloud.arn("ec2", f"route-table/{identity}")
        return {"vpcId": table["VpcId"], "ownerId": cloud.account, "arn": arn, **tagged(table)}

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Tags."""
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteRouteTable."""
        cloud.ec2.delete_route_table(RouteTableId=identity)


TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


class Route(Kind):
    """One route of a table."""

    token = "aws:ec2/route:Route"
    inputs = frozenset({"routeTableId", "destinationCidrBlock", "region", *TARGETS})
    replaces = names("routeTableId destinationCidrBlock region")
    computed = names("networkInterfaceId region")

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """A destination and exactly one target."""
        if not inputs.get("destinationCidrBlock"):
            return [("destinationCidrBlock", "is required (other destinations are not emulated)")]
        targets = [name for name in TARGETS if inputs.get(name) is not None]
        return [] if len(targets) == 1 else [("gatewayId", f"needs exactly one target, not {len(targets)}")]

    def _target(self, inputs: Values) -> Values:
        return {TARGETS[name]: inputs[name] for name in TARGETS if inputs.get(name)}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateRoute; the id is made as Terraform makes it, of table and destination."""
        table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
        cloud.ec2.create_route(RouteTableId=table, DestinationCidrBlock=destination, **self._target(inputs))
        return f"r-{table}{int(hashlib.sha256(destination.encode()).hexdigest()[:8], 16)}"

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """The route in DescribeRouteTables."""
        table = cloud.first("describe_route_tables", "RouteTables", RouteTableIds=[known["routeTableId"]])
        for route in (table or {}).get("Routes", []):
            if route.get("DestinationCidrBlock") == known["destinationCidrBlock"]:
                target = {name: route[key] for name, key in TARGETS.items() if route.get(key)}
                return {
                    "routeTableId": known["routeTableId"],
                    "destinationCidrBlock": route["DestinationCidrBlock"],
                    "origin": route.get("Origin", "CreateRoute"),
                    "state": route.get("State", "active"),
                    **dict.fromkeys(TARGETS),
                    **target,
                }
        return None

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ReplaceRoute."""
        table, destination = new["routeTableId"], new["destinationCidrBlock"]
        cloud.ec2.replace_route(RouteTableId=table, DestinationCidrBlock=destination, **self._target(new))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteRoute."""
        table, destination = known["routeTableId"], known["destinationCidrBlock"]
        cloud.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=destination)


class RouteTableAssociation(Kind):
    """Which table a subnet uses."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    inputs = names("routeTableId subnetId region")
    replaces = names("subnetId region")
    computed = names("region")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """AssociateRouteTable."""
        made = cloud.ec2.associate_route_table(RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"])
        identity: str = made["AssociationId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """The subnet's association: replacing its table gives it another id in AWS, so it is found by subnet."""
        wanted = [{"Name": "association.subnet-id", "Values": [known["subnetId"]]}]
        table = cloud.first("describe_route_tables", "RouteTables", Filters=wanted)
        return {"subnetId": known["subnetId"], "routeTableId": table["RouteTableId"]} if table else None

    def _current(self, cloud: Cloud, known: Values) -> str | None:
        wanted = [{"Name": "association.subnet-id", "Values": [known["subnetId"]]}]
        table = cloud.first("describe_route_tables", "RouteTables", Filters=wanted) or {}
        ids = [
            a["RouteTableAssociationId"]
            for a in table.get("Associations", [])
            if a.get("SubnetId") == known["subnetId"]
        ]
        return ids[0] if ids else None

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ReplaceRouteTableAssociation."""
        cloud.ec2.replace_route_table_association(
            AssociationId=self._current(cloud, old) or identity, RouteTableId=new["routeTableId"]
        )

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DisassociateRouteTable."""
        current = self._current(cloud, known)
        if current:
            cloud.ec2.disassociate_route_table(AssociationId=current)


class VpcEndpoint(Kind):
    """A way to an AWS service that does not leave the VPC."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    inputs = names(
        "vpcId serviceName vpcEndpointType routeTableIds subnetIds securityGroupIds privateDnsEnabled policy region "
        "tags"
    )
    replaces = names("vpcId serviceName vpcEndpointType region")
    computed = names(
        "policy routeTableIds subnetIds securityGroupIds privateDnsEnabled dnsOptions ipAddressType region"
    )
    defaults = {"vpcEndpointType": "Gateway"}
    unordered = names("routeTableIds subnetIds securityGroupIds")

    def replacing(self, old: Values, new: Values) -> frozenset[Path]:
        """Private names come and go in place on interfaces only, says the real provider's documentation."""
        interface = new.get("vpcEndpointType") == "Interface"
        return self.replaces | (frozenset() if interface else names("privateDnsEnabled"))

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """Gateways hang on route tables, interfaces on subnets."""
        gateway = inputs.get("vpcEndpointType", "Gateway") == "Gateway"
        wrong = ("subnetIds", "securityGroupIds") if gateway else ("routeTableIds",)
        return [
            (name, f"is not for endpoints of type {'Gateway' if gateway else 'Interface'}")
            for name in wrong
            if inputs.get(name)
        ]

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateVpcEndpoint."""
        made = cloud.ec2.create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs.get("vpcEndpointType", "Gateway"),
            **given(
                RouteTableIds=only(inputs.get("routeTableIds")),
                SubnetIds=only(inputs.get("subnetIds")),
                SecurityGroupIds=only(inputs.get("securityGroupIds")),
                PrivateDnsEnabled=inputs.get("privateDnsEnabled"),
                PolicyDocument=inputs.get("policy"),
            ),
            **specification("vpc-endpoint", inputs.get("tags")),
        )
        identity: str = made["VpcEndpoint"]["VpcEndpointId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeVpcEndpoints."""
        endpoint = cloud.first("describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[identity])
        if not endpoint or endpoint["State"].lower() in ("deleted", "deleting"):
            return None
        return {
            "vpcId": endpoint["VpcId"],
            "serviceName": endpoint["ServiceName"],
            "vpcEndpointType": endpoint["VpcEndpointType"],
            "routeTableIds": endpoint.get("RouteTableIds") or [],
            "subnetIds": endpoint.get("SubnetIds") or [],
            "securityGroupIds": [group["GroupId"] for group in endpoint.get("Groups", [])],
            "privateDnsEnabled": bool(endpoint.get("PrivateDnsEnabled")),
            "policy": endpoint.get("PolicyDocument"),
            "networkInterfaceIds": endpoint.get("NetworkInterfaceIds") or [],
            "prefixListId": self._prefix_list(cloud, endpoint["ServiceName"]) if not endpoint.get("SubnetIds") else "",
            "state": endpoint["State"].lower(),
            "ownerId": cloud.account,
            "requesterManaged": False,
            "arn": cloud.arn("ec2", f"vpc-endpoint/{identity}"),
            **tagged(endpoint),
        }

    def _prefix_list(self, cloud: Cloud, service: str) -> str:
        wanted = [{"Name": "prefix-list-name", "Values": [service]}]
        found = cloud.first("describe_managed_prefix_lists", "PrefixLists", Filters=wanted)
        return str(found["PrefixListId"]) if found else ""

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ModifyVpcEndpoint, tags."""
        arguments: dict[str, Any] = {}
        for name, key in (
            ("routeTableIds", "RouteTableIds"),
            ("subnetIds", "SubnetIds"),
            ("securityGroupIds", "SecurityGroupIds"),
        ):
            if name in changed:
                before, after = set(old.get(name) or []), set(new.get(name) or [])
                arguments |= given(
                    **{f"Add{key}": only(sorted(after - before)), f"Remove{key}": only(sorted(before - after))}
                )
        if "policy" in changed:
            arguments |= {"PolicyDocument": new["policy"]} if new.get("policy") else {"ResetPolicy": True}
        if "privateDnsEnabled" in changed:
            arguments["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled"))
        if arguments:
            cloud.ec2.modify_vpc_endpoint(VpcEndpointId=identity, **arguments)
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteVpcEndpoints."""
        cloud.ec2.delete_vpc_endpoints(VpcEndpointIds=[identity])
