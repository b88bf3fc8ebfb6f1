"""What an inventory means, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from local.fleet import model, paths
from local.fleet.errors import FleetError
from tests.support.local_samples import GPU, listing


def test_an_inventory_becomes_a_fleet() -> None:
    fleet = model.parse(
        listing(a={"ansible_host": "10.9.0.10"}, b={"ansible_host": "10.9.0.11", "fleet_gpu": GPU}), "i"
    )
    assert [h.name for h in fleet.hosts] == ["a", "b"]
    assert fleet.channel_address == "10.9.0.2"
    assert fleet.network == "lockstep-demo"
    assert fleet.container("a") == "lockstep-demo-a"
    assert fleet.host("a").mac == "02:00:0a:09:00:0a"
    assert fleet.host("a").linger and fleet.host("a").gpu == {} and fleet.host("b").gpu == GPU


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "ansible_host"),
        ({"ansible_host": "10.9.0.2"}, "taken"),
        ({"ansible_host": "10.9.0.255"}, "must be in"),
        ({"ansible_host": "10.8.0.9"}, "must be in"),
        ({"ansible_host": "10.9.0.9", "fleet_suite": "sid"}, "fleet_suite"),
        ({"ansible_host": "10.9.0.9", "fleet_linger": "yes"}, "fleet_linger"),
        ({"ansible_host": "10.9.0.9", "fleet_gpu": {"name": "X"}}, "fleet_gpu"),
        ({"ansible_host": "10.9.0.9", "fleet_gpu": {**GPU, "colour": "red"}}, "fleet_gpu"),
        ({"ansible_host": "10.9.0.9", "fleet_subnet": "nonsense"}, "fleet_subnet"),
        ({"ansible_host": "10.9.0.9", "fleet_name": "No Name"}, "fleet_name"),
    ],
)
def test_a_wrong_inventory_is_refused_by_host_and_variable(variables: dict[str, Any], said: str) -> None:
    with pytest.raises(FleetError, match=said) as caught:
        model.parse(listing(a=variables), "inv.yml")
    assert str(caught.value).startswith("inv.yml")


def test_one_address_for_two_hosts_and_no_hosts_are_refused() -> None:
    with pytest.raises(FleetError, match="given twice"):
        model.parse(listing(a={"ansible_host": "10.9.0.9"}, b={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="no hosts"):
        model.parse({"_meta": {"hostvars": {}}}, "i")


def test_an_unknown_host_names_those_there_are() -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="there are: a"):
        fleet.host("z")


def test_the_committed_inventory_is_five_hosts_of_three_tiers() -> None:
    fleet = model.load(paths.CHECKOUT / "inventory" / "local")
    assert [h.name for h in fleet.hosts] == ["dev-01", "prod-01", "prod-02", "prod-03", "test-01"]
    assert {h.suite for h in fleet.hosts} == {"bookworm", "trixie"}
    assert [h.name for h in fleet.hosts if not h.linger] == ["test-01"]
