"""The resource types that are emulated."""

from __future__ import annotations

from local.fakes.aws_provider.kinds import compute, network, security
from local.fakes.aws_provider.kinds.base import Kind

KINDS: dict[str, Kind] = {
    kind.token: kind()
    for kind in (
        network.Vpc,
        network.Subnet,
        network.InternetGateway,
        network.Eip,
        network.NatGateway,
        network.RouteTable,
        network.Route,
        network.RouteTableAssociation,
        network.VpcEndpoint,
        security.SecurityGroup,
        security.IngressRule,
        security.EgressRule,
        security.KeyPair,
        security.Role,
        security.RolePolicy,
        security.RolePolicyAttachment,
        security.InstanceProfile,
        compute.Instance,
        compute.LaunchTemplate,
        compute.PlacementGroup,
        compute.CapacityReservation,
        compute.Volume,
        compute.VolumeAttachment,
    )
}
