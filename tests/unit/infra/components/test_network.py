"""The network: ways out, and one that exists."""

from __future__ import annotations

import pytest

from tests.support import infra_samples
from tests.support.infra_samples import EGRESS, EXISTING, INSTANCE


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
    access = {
        "ssm": egress != "none",
        "ssh_from": ["10.8.0.0/16"],
        "ssh_keys": infra_samples.config()["access"]["ssh_keys"],
    }
    recorder, _ = infra_samples.make(network__egress=egress, access=access)
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
    recorder, found = infra_samples.make(network=EXISTING)
    for kind in ("ec2/vpc:Vpc", "ec2/subnet:Subnet", "ec2/routeTable:RouteTable", "ec2/vpcEndpoint:VpcEndpoint"):
        assert not recorder.of(kind)
    assert recorder.of(INSTANCE)["dev-train-01"]["subnetId"] == "subnet-0123abcd"
    assert recorder.of(EGRESS)["dev-to-inside"]["cidrIpv4"] == "172.31.0.0/16"
    assert found["hosts"]["dev-train-01"]["zone"] == "us-east-1a"
    recorder, _ = infra_samples.make(network={**EXISTING, "route_tables": ["rtb-0123abcd"]})
    assert recorder.of("ec2/vpcEndpoint:VpcEndpoint")["dev-s3"]["routeTableIds"] == ["rtb-0123abcd"]
