"""Networks: VPC, subnets, gateways, addresses, routes, endpoints."""

from __future__ import annotations

import hashlib
from typing import Any

from local.fakes.aws_provider.cloud import Cloud, given
from local.fakes.aws_provider.kinds.base import Ec2Kind, Kind, Path, capital, fields, names, only
from local.fakes.aws_provider.wire import Values


class Vpc(Ec2Kind):
    """A virtual private cloud."""

    token = "aws:ec2/vpc:Vpc"
    inputs = names("cidrBlock enableDnsSupport enableDnsHostnames instanceTenancy region tags")
    replaces = names("cidrBlock instanceTenancy region")
    computed = names("region")
    defaults = {"enableDnsSupport": True, "enableDnsHostnames": False, "instanceTenancy": "default"}

    item = "Vpc"
    noun = "vpc"
    takes = fields("cidrBlock instanceTenancy")
    gives = fields("cidrBlock")
    may_give = {"instanceTenancy": "default", "dhcpOptionsId": None}

    def created(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        """The attributes."""
        self._attributes(cloud, identity, inputs)

    def _attributes(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            value = {"Value": inputs.get(name, self.defaults[name])}
            cloud.ec2.modify_vpc_attribute(VpcId=identity, **{capital(name): value})

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """Attributes, and what the new VPC was given."""
        within = [{"Name": "vpc-id", "Values": [identity]}]

        def attribute(name: str) -> bool:
            found = cloud.ec2.describe_vpc_attribute(VpcId=identity, Attribute=name)
            return bool(found[capital(name)]["Value"])

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
            "enableDnsSupport": attribute("enableDnsSupport"),
            "enableDnsHostnames": attribute("enableDnsHostnames"),
            "mainRouteTableId": table.get("RouteTableId"),
            "defaultRouteTableId": table.get("RouteTableId"),
            "defaultSecurityGroupId": (group or {}).get("GroupId"),
            "defaultNetworkAclId": (acl or {}).get("NetworkAclId"),
        }

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """The attributes."""
        if changed & {"enableDnsSupport", "enableDnsHostnames"}:
            self._attributes(cloud, identity, new)


class Subnet(Ec2Kind):
    """A subnet of a VPC."""

    token = "aws:ec2/subnet:Subnet"
    inputs = names("vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch region tags")
    replaces = names("vpcId cidrBlock availabilityZone availabilityZoneId region")
    computed = names("availabilityZone availabilityZoneId region")
    defaults = {"mapPublicIpOnLaunch": False}

    item = "Subnet"
    noun = "subnet"
    takes = fields("vpcId cidrBlock availabilityZone availabilityZoneId")
    gives = fields("vpcId cidrBlock availabilityZone mapPublicIpOnLaunch")
    may_give = {"availabilityZoneId": None}

    def created(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        """Public addresses on launch."""
        if inputs.get("mapPublicIpOnLaunch"):
            self.change(cloud, identity, {}, inputs, {"mapPublicIpOnLaunch"})

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Public addresses on launch."""
        if "mapPublicIpOnLaunch" in changed:
            wanted = {"Value": bool(new.get("mapPublicIpOnLaunch"))}
            cloud.ec2.modify_subnet_attribute(SubnetId=identity, MapPublicIpOnLaunch=wanted)


class InternetGateway(Ec2Kind):
    """The VPC's way to the internet."""

    token = "aws:ec2/internetGateway:InternetGateway"
    inputs = names("vpcId region tags")
    replaces = names("region")
    computed = names("vpcId region")

    item = "InternetGateway"
    noun = "internet-gateway"
    gives = fields("")

    def created(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        """Attach it at once when a VPC is named."""
        self.change(cloud, identity, {}, inputs, {"vpcId"})

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """Where it is attached."""
        return {"vpcId": (found.get("Attachments") or [{}])[0].get("VpcId", "")}

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Attach elsewhere."""
        if "vpcId" in changed:
            if old.get("vpcId"):
                cloud.ec2.detach_internet_gateway(InternetGatewayId=identity, VpcId=old["vpcId"])
            if new.get("vpcId"):
                cloud.ec2.attach_internet_gateway(InternetGatewayId=identity, VpcId=new["vpcId"])

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """Detach from where it is now, then DeleteInternetGateway."""
        self.change(cloud, identity, self.read(cloud, identity, known) or {}, {}, {"vpcId"})
        super().delete(cloud, identity, known)


class Eip(Ec2Kind):
    """A public address that stays."""

    token = "aws:ec2/eip:Eip"
    inputs = names("domain region tags")
    replaces = names("domain region")
    computed = names("domain networkBorderGroup publicIpv4Pool instance networkInterface region")
    defaults = {"domain": "vpc"}

    item, items, key = "Address", "Addresses", "AllocationId"
    noun = "elastic-ip"
    verbs = {"create": "allocate", "delete": "release"}
    takes = fields("domain")
    gives = fields("domain publicIp")
    may_give = {
        "associationId": "",
        "networkInterface=NetworkInterfaceId": "",
        "instance=InstanceId": "",
        "privateIp=PrivateIpAddress": "",
    }
    own = names("arn")

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """What follows from the address and the region."""
        return {
            "allocationId": identity,
            "publicDns": f"ec2-{found['PublicIp'].replace('.', '-')}.compute-1.amazonaws.com",
            "networkBorderGroup": cloud.region,
            "publicIpv4Pool": "amazon",
        }


class NatGateway(Ec2Kind):
    """The way out for private subnets."""

    token = "aws:ec2/natGateway:NatGateway"
    inputs = names("allocationId subnetId connectivityType region tags")
    replaces = names("allocationId subnetId connectivityType region")
    computed = names("privateIp region")
    defaults = {"connectivityType": "public"}
    item = "NatGateway"
    noun = "natgateway"
    takes = fields("subnetId connectivityType allocationId")
    gives = fields("subnetId")
    may_give = {"connectivityType": "public"}
    own = names("")

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """A public one has an address, a private one has none."""
        public = inputs.get("connectivityType", "public") == "public"
        if not inputs.get("subnetId"):
            return [("subnetId", "is required (regional NAT gateways are not emulated)")]
        if public != bool(inputs.get("allocationId")):
            return [("allocationId", "is required when public" if public else "is for public ones only")]
        return []

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """Its first address."""
        address = (found.get("NatGatewayAddresses") or [{}])[0]
        return {
            "allocationId": address.get("AllocationId"),
            "publicIp": address.get("PublicIp", ""),
            "privateIp": address.get("PrivateIp", ""),
            "networkInterfaceId": address.get("NetworkInterfaceId", ""),
        }


class RouteTable(Ec2Kind):
    """A route table; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    inputs = names("vpcId region tags")
    replaces = names("vpcId region")
    computed = names("routes propagatingVgws region")

    item = "RouteTable"
    noun = "route-table"
    takes = gives = fields("vpcId")


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


class VpcEndpoint(Ec2Kind):
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
    item = "VpcEndpoint"
    noun = "vpc-endpoint"
    lists = fields("routeTableIds subnetIds securityGroupIds")
    takes = fields("vpcId serviceName vpcEndpointType privateDnsEnabled policy=PolicyDocument")
    gives = fields("vpcId serviceName vpcEndpointType")
    may_give = {"policy=PolicyDocument": None}

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

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """Lists, where they are not empty."""
        return given(**{api: only(inputs.get(wire)) for wire, api in self.lists.items()})

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """What it hangs on."""
        return {
            "routeTableIds": found.get("RouteTableIds") or [],
            "subnetIds": found.get("SubnetIds") or [],
            "securityGroupIds": [group["GroupId"] for group in found.get("Groups", [])],
            "privateDnsEnabled": bool(found.get("PrivateDnsEnabled")),
            "networkInterfaceIds": found.get("NetworkInterfaceIds") or [],
            "prefixListId": self._prefix_list(cloud, found["ServiceName"]) if not found.get("SubnetIds") else "",
            "state": found["State"].lower(),
            "requesterManaged": False,
        }

    def _prefix_list(self, cloud: Cloud, service: str) -> str:
        wanted = [{"Name": "prefix-list-name", "Values": [service]}]
        found = cloud.first("describe_managed_prefix_lists", "PrefixLists", Filters=wanted)
        return str(found["PrefixListId"]) if found else ""

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ModifyVpcEndpoint."""
        arguments: dict[str, Any] = {}
        for name, key in self.lists.items():
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

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteVpcEndpoints."""
        cloud.ec2.delete_vpc_endpoints(VpcEndpointIds=[identity])
