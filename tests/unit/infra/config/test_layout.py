"""What a checked configuration is worked out to: names, zones, platforms, addresses, protection."""

from __future__ import annotations

import doctest

import pytest

import infra.config.layout
from infra.config.layout import has_own_disks, platform_of, zones_of
from tests.support import infra_samples


def test_defaults_are_filled_in() -> None:
    layout = infra_samples.layout()
    group = layout.groups[0]
    assert group.hosts == ("dev-train-01", "dev-train-02")
    assert (group.tier, group.platform, group.zone, group.pinned) == ("dev", "linux-64", "us-east-1a", False)
    assert (layout.egress, layout.connection, layout.protect) == ("nat-single", "ssm", False)
    assert "/x86_64/" in group.ami
    assert "/arm64/" in infra_samples.layout(groups__train__instance_type="g5g.xlarge").groups[0].ami


def test_prod_is_protected_unless_told_otherwise() -> None:
    assert infra_samples.layout(tier="prod").protect
    assert not infra_samples.layout(tier="prod", protect=False).protect
    assert not infra_samples.layout(tier="prod", protect="false").protect  # as `pulumi config set` writes it
    mixed = infra_samples.layout(groups__live={"instance_type": "g6.xlarge", "tier": "prod"})
    assert [group.protect for group in mixed.groups] == [False, True]
    assert mixed.protect


def test_a_zone_that_is_appended_moves_no_other() -> None:
    assert zones_of("10.0.0.0/16", ["a", "b"]) == zones_of("10.0.0.0/16", ["a", "b", "c"])[:2]
    all_six = zones_of("10.0.0.0/22", list("abcdef"))
    ranges = [zone.private_cidr for zone in all_six] + [zone.public_cidr for zone in all_six]
    assert len(set(ranges)) == 12


@pytest.mark.parametrize(
    ("kind", "platform", "disks"),
    [
        ("p5.48xlarge", "linux-64", None),
        ("g6e.xlarge", "linux-64", None),
        ("g5g.xlarge", "linux-aarch64", None),
        ("c7gn.large", "linux-aarch64", False),
        ("m6gd.large", "linux-aarch64", True),
        ("m7i.large", "linux-64", False),
        ("c6id.large", "linux-64", True),
        ("p6e-gb200.36xlarge", "linux-aarch64", None),
        ("u7i-12tb.224xlarge", "linux-64", None),
        ("trn2.48xlarge", "linux-64", None),
    ],
)
def test_machine_types_tell_their_platform(kind: str, platform: str, disks: bool | None) -> None:
    assert platform_of(kind) == platform
    assert has_own_disks(kind) is disks


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(infra.config.layout)
    assert result.attempted and not result.failed
