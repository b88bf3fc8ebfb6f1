"""Faults that cannot be caused are refused."""

from __future__ import annotations

import pytest

from local.fleet import fault, model, podman
from local.fleet.errors import FleetError
from tests.support.local_samples import listing


def test_faults_are_refused_before_anything_is_touched() -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="there are: pause"):
        fault.apply(podman.Podman(), fleet, "explode", "a", [])
    with pytest.raises(FleetError, match="PATH SIZE"):
        fault.apply(podman.Podman(), fleet, "fill", "a", ["/x"])
