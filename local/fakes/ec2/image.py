"""Make the images of hosts that act as EC2 instances: the fleet's own, in which cloud-init runs the first boot."""

from __future__ import annotations

from local.fleet import image, paths
from local.fleet.image import Say
from local.fleet.podman import Podman

OURS = paths.FAKES / "ec2" / "image"


def tag(suite: str) -> str:
    """Return the tag of the image that instances start from; it changes with the inputs."""
    return f"localhost/lockstep-ec2:{suite}-{paths.digest_of([OURS], image.host_tag(suite))[:12]}"


def ensure(podman: Podman, suite: str, say: Say) -> str:
    """Ensure the image of a suite, on top of the fleet's own; return its tag."""
    wanted = tag(suite)
    image.use(podman, image.base_tag(suite), image.host_tag(suite), wanted)
    if image.exists(podman, wanted):
        return wanted
    host = image.ensure(podman, suite, say)
    podman.run("build", "--quiet", "--network=none", "--tag", wanted, "--build-arg", f"BASE={host}", str(OURS))
    image.sweep(podman)
    say(f"image {suite}: cloud-init in charge of the first boot")
    return wanted
