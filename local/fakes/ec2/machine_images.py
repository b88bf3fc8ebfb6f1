"""Machine images that the emulated EC2 offers, and the public parameters that name them.

Real ids of AMIs mean nothing here; these are made from the parameter's name, so they are the same on every machine.
Whatever distribution an image claims, its host is a container with Debian's packages: `suite` says which.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PREFIX = "lockstep-emulated"


@dataclass(frozen=True)
class MachineImage:
    """An AMI: the public SSM parameter that names it, and the Debian suite of its host."""

    parameter: str
    architecture: str
    suite: str
    root_device: str

    @property
    def identity(self) -> str:
        """The AMI's id."""
        return "ami-" + hashlib.sha256(self.parameter.encode()).hexdigest()[:17]

    @property
    def name(self) -> str:
        """The AMI's name, which says that it is none of AWS's."""
        return f"{PREFIX}/{self.suite}{self.parameter}"


def _images() -> list[MachineImage]:
    found = []
    for release, suite in (("12", "bookworm"), ("13", "trixie")):
        for arch, machine in (("amd64", "x86_64"), ("arm64", "arm64")):
            found.append(
                MachineImage(f"/aws/service/debian/release/{release}/latest/{arch}", machine, suite, "/dev/xvda")
            )
    for release, suite in (("22.04", "bookworm"), ("24.04", "trixie")):
        for arch, machine in (("amd64", "x86_64"), ("arm64", "arm64")):
            for storage in ("ebs-gp2", "ebs-gp3"):
                path = f"/aws/service/canonical/ubuntu/server/{release}/stable/current/{arch}/hvm/{storage}/ami-id"
                found.append(MachineImage(path, machine, suite, "/dev/sda1"))
    for machine in ("x86_64", "arm64"):
        for flavour in ("base-oss-nvidia-driver-gpu", "base-with-single-cuda"):
            for system, suite, device in (
                ("ubuntu-22.04", "bookworm", "/dev/sda1"),
                ("ubuntu-24.04", "trixie", "/dev/sda1"),
                ("amazon-linux-2023", "bookworm", "/dev/xvda"),
            ):
                path = f"/aws/service/deeplearning/ami/{machine}/{flavour}-{system}/latest/ami-id"
                found.append(MachineImage(path, machine, suite, device))
        path = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{machine}"
        found.append(MachineImage(path, machine, "bookworm", "/dev/xvda"))
    return found


IMAGES = {image.parameter: image for image in _images()}
BY_ID = {image.identity: image for image in IMAGES.values()}


def suite(identity: str) -> str:
    """Return the Debian suite of an AMI's host; bookworm for an AMI that is not listed (a pinned id)."""
    return BY_ID[identity].suite if identity in BY_ID else "bookworm"
