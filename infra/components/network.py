"""Make the network of the machines, or use one that exists, and its ways out."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.config.layout import Layout, Zone

INSIDE = ("ssm", "ssmmessages", "ec2messages")  # what the SSM agent talks to


class Network(pulumi.ComponentResource):
    """Subnets by zone, and the address range inside.

    Nothing outside reaches private machines; `network.egress` says how they reach out. They reach S3 through a gateway
    endpoint, which costs nothing: packages and data need no NAT.
    """

    vpc_id: pulumi.Input[str]
    cidr: pulumi.Input[str]
    private: dict[str, pulumi.Input[str]]
    public: dict[str, pulumi.Input[str]]
    s3_prefix_list: pulumi.Output[str] | None

    def __init__(self, name: str, layout: Layout, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lockstep:infra:Network", name, None, opts)
        self._name, self._layout = name, layout
        self._opts = pulumi.ResourceOptions(parent=self, protect=layout.protect)
        network = layout.cluster.network
        self.s3_prefix_list = None
        if network.vpc_id:
            self.vpc_id = network.vpc_id
            found = aws.ec2.get_vpc_output(id=network.vpc_id, opts=pulumi.InvokeOutputOptions(parent=self))
            self.cidr = found.cidr_block
            self.private, self.public = dict(network.private_subnets), dict(network.public_subnets)
            if network.route_tables:
                self._s3_endpoint(list(network.route_tables))
        else:
            self._make()
        self.register_outputs({"vpcId": self.vpc_id})

    def _tags(self, what: str) -> dict[str, str]:
        return self._layout.tags(Name=f"{self._name}-{what}")

    def _make(self) -> None:
        layout, name, opts = self._layout, self._name, self._opts
        assert layout.cluster.network.cidr is not None
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=layout.cluster.network.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # private names of endpoints resolve only then
            tags=self._tags("vpc"),
            opts=opts,
        )
        self.vpc_id, self.cidr = vpc.id, vpc.cidr_block
        self._vpc = vpc
        nat = layout.egress in ("nat-single", "nat-per-az")
        self.private = {zone.name: self._subnet(zone, public=False).id for zone in layout.zones}
        publics: dict[str, aws.ec2.Subnet] = {}
        if nat or any(group.spec.public for group in layout.groups):
            publics = {zone.name: self._subnet(zone, public=True) for zone in layout.zones}
        self.public = {zone: subnet.id for zone, subnet in publics.items()}

        tables: list[pulumi.Input[str]] = []
        gateway = self._public_way(publics, tables) if publics else None
        gateways = self._nat(publics, gateway) if nat and gateway else {}
        for zone in layout.zones:
            table = aws.ec2.RouteTable(
                f"{name}-private-{zone.name}", vpc_id=vpc.id, tags=self._tags(f"private-{zone.name}"), opts=opts
            )
            tables.append(table.id)
            self._associate(f"private-{zone.name}", self.private[zone.name], table)
            if gateways:
                way = gateways.get(zone.name) or next(iter(gateways.values()))
                aws.ec2.Route(
                    f"{name}-private-{zone.name}-out",
                    route_table_id=table.id,
                    destination_cidr_block="0.0.0.0/0",
                    nat_gateway_id=way.id,
                    opts=opts,
                )
        self._s3_endpoint(tables)
        if layout.egress == "endpoints":
            self._interface_endpoints()

    def _subnet(self, zone: Zone, public: bool) -> aws.ec2.Subnet:
        kind = "public" if public else "private"
        return aws.ec2.Subnet(
            f"{self._name}-{kind}-{zone.name}",
            vpc_id=self.vpc_id,
            availability_zone=zone.name,
            cidr_block=zone.public_cidr if public else zone.private_cidr,
            map_public_ip_on_launch=False,  # a machine gets a public address where its group says so, not by accident
            tags=self._tags(f"{kind}-{zone.name}"),
            opts=self._opts,
        )

    def _associate(self, what: str, subnet: pulumi.Input[str], table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{what}", subnet_id=subnet, route_table_id=table.id, opts=self._opts
        )

    def _public_way(
        self, publics: dict[str, aws.ec2.Subnet], tables: list[pulumi.Input[str]]
    ) -> aws.ec2.InternetGateway:
        name, opts = self._name, self._opts
        gateway = aws.ec2.InternetGateway(
            f"{name}-internet", vpc_id=self.vpc_id, tags=self._tags("internet"), opts=opts
        )
        table = aws.ec2.RouteTable(f"{name}-public", vpc_id=self.vpc_id, tags=self._tags("public"), opts=opts)
        tables.append(table.id)
        aws.ec2.Route(
            f"{name}-public-out",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=opts,
        )
        for zone, subnet in publics.items():
            self._associate(f"public-{zone}", subnet.id, table)
        return gateway

    def _nat(
        self, publics: dict[str, aws.ec2.Subnet], gateway: aws.ec2.InternetGateway
    ) -> dict[str, aws.ec2.NatGateway]:
        wanted = list(publics) if self._layout.egress == "nat-per-az" else list(publics)[:1]
        made = {}
        for zone in wanted:
            address = aws.ec2.Eip(
                f"{self._name}-nat-{zone}", domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._opts
            )
            made[zone] = aws.ec2.NatGateway(
                f"{self._name}-nat-{zone}",
                subnet_id=publics[zone].id,
                allocation_id=address.id,
                tags=self._tags(f"nat-{zone}"),
                # AWS refuses to make it before the internet gateway is attached, and while its address is another's
                opts=pulumi.ResourceOptions.merge(
                    self._opts, pulumi.ResourceOptions(depends_on=[gateway], delete_before_replace=True)
                ),
            )
        return made

    def _s3_endpoint(self, tables: list[pulumi.Input[str]]) -> None:
        endpoint = aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._layout.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=tables,
            tags=self._tags("s3"),
            opts=self._opts,
        )
        self.s3_prefix_list = endpoint.prefix_list_id

    def _interface_endpoints(self) -> None:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-endpoints",
            vpc_id=self.vpc_id,
            description="AWS services, reached from inside the network",
            tags=self._tags("endpoints"),
            opts=self._opts,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-endpoints-https",
            security_group_id=group.id,
            description="HTTPS from inside",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=self.cidr,
            tags=self._tags("endpoints-https"),
            opts=self._opts,
        )
        for service in INSIDE:
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{self._layout.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(self.private.values()),
                security_group_ids=[group.id],
                tags=self._tags(service),
                opts=self._opts,
            )
