"""Which hosts are made anew, whose they are, and which keys are trusted."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

import pytest

from local.fleet import lifecycle, model, paths
from local.fleet.errors import FleetError
from tests.support.local_samples import listing


def test_a_taken_subnet_is_seen_and_a_default_route_is_not_one() -> None:
    subnet = ipaddress.IPv4Network("10.77.0.0/24")
    assert lifecycle.overlapping(subnet, [{"dst": "default", "dev": "e"}, {"dst": "10.78.0.0/24", "dev": "f"}]) is None
    assert lifecycle.overlapping(subnet, [{"dst": "10.0.0.0/8", "dev": "vpn0"}]) == "10.0.0.0/8 on vpn0"
    assert lifecycle.overlapping(subnet, [{"dst": "10.77.0.9", "dev": "g"}]) == "10.77.0.9 on g"


def test_a_spec_changes_with_anything_in_it() -> None:
    assert lifecycle.spec_of(["a"], True) == lifecycle.spec_of(["a"], True)
    assert len({lifecycle.spec_of(*p) for p in ([["a"], True], [["a"], False], [["a", "b"], True])}) == 3


class Listing:
    """A podman that lists one container of each given checkout, and does nothing else."""

    def __init__(self, *checkouts: Path) -> None:
        self.checkouts = checkouts

    def listed(self, fleet: str) -> list[dict[str, Any]]:
        return [
            {"Names": [f"lockstep-{fleet}-{n}"], "Labels": {"lockstep.fleet": fleet, "lockstep.checkout": str(folder)}}
            for n, folder in enumerate(self.checkouts)
        ]


def test_a_fleet_of_another_checkout_is_not_taken_over_unless_that_is_gone(tmp_path: Path) -> None:
    mine: Any = Listing(paths.CHECKOUT, tmp_path / "gone")
    assert set(lifecycle.ours(mine, "demo")) == {"lockstep-demo-0", "lockstep-demo-1"}
    theirs: Any = Listing(paths.CHECKOUT, tmp_path)
    with pytest.raises(FleetError, match=f"a fleet demo was made from {tmp_path} .*\n.*make down"):
        lifecycle.ours(theirs, "demo")


def test_keys_of_a_host_that_became_ready_later_are_read_again(tmp_path: Path) -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.10"}), "i")
    known, mark = tmp_path / "known_hosts", tmp_path / "mark"
    assert not lifecycle.trusted(known, fleet, [mark])
    known.write_text("10.9.0.10 ssh-ed25519 AAAA\n")
    assert lifecycle.trusted(known, fleet, [mark])
    at = known.stat().st_mtime_ns
    mark.touch()
    os.utime(mark, ns=(at, at))
    assert lifecycle.trusted(known, fleet, [mark])
    os.utime(mark, ns=(at, at + 1))
    assert not lifecycle.trusted(known, fleet, [mark])
    os.utime(mark, ns=(at, at))
    known.write_text("10.9.0.11 ssh-ed25519 AAAA\n")
    assert not lifecycle.trusted(known, fleet, [mark])
