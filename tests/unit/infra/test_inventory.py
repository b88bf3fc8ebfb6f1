"""The contract with Ansible."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.inventory import InventoryError, checked
from tests.support import infra_samples


def test_the_inventory_is_whole_and_fits_its_schema() -> None:
    _, found = infra_samples.make(groups__open={"instance_type": "g6.xlarge", "public": True})
    assert checked(found) is found
    assert (found["schema"], found["stack"], found["user"], found["root"]) == (1, "dev", "ml", "/opt/lockstep")
    host = found["hosts"]["dev-train-02"]
    assert host["instance_id"].startswith("i-") and host["private_ip"].startswith("10.20.")
    assert (host["index"], host["public_ip"], host["connection"]) == (2, None, "ssm")
    assert found["hosts"]["dev-open-01"]["public_ip"].startswith("203.0.113.")
    assert "AAAA" not in json.dumps(found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("password",), "x"),
        (("hosts", "dev-train-01", "private_ip"), ""),
        (("hosts", "dev-train-01", "secret"), "x"),
        (("hosts", "dev-train-01", "connection"), "public"),
        (("hosts", "dev-train-01", "platform"), "osx-arm64"),
        (("hosts", "UPPER"), {}),
    ],
)
def test_what_does_not_fit_the_schema_never_leaves(path: tuple[str, ...], value: Any) -> None:
    _, found = infra_samples.make()
    place = found
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(InventoryError, match=r"does not fit inventory\.schema\.json"):
        checked(found)
