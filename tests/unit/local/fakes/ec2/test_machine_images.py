"""The machine images of the emulated EC2."""

from __future__ import annotations

from local.fakes.ec2 import machine_images


def test_images_are_told_apart() -> None:
    assert len(machine_images.BY_ID) == len(machine_images.IMAGES)
    assert machine_images.suite("ami-0123456789abcdef0") == "bookworm"
