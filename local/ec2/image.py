"""Images of the hosts that stand in for EC2 instances: the fleet's own, with cloud-init in charge of the first boot."""

from __future__ import annotations

import shutil
import subprocess
import time

from local.fleet import image, paths
from local.fleet.errors import FleetError
from local.fleet.image import Say
from local.fleet.podman import Podman

OURS = paths.HERE / "ec2" / "image"
PACKAGES = image.PACKAGES if "cloud-init" in image.PACKAGES else (*image.PACKAGES, "cloud-init")


def base_tag(suite: str) -> str:
    """Tag of the image with Debian's packages alone, cloud-init among them."""
    return f"localhost/lockstep-base:{suite}-{paths.digest_of([], *PACKAGES, *image.LEFT_OUT)[:12]}"


def tag(suite: str) -> str:
    """Tag of the image that instances start from; other inputs are another tag."""
    return f"localhost/lockstep-ec2:{suite}-{paths.digest_of([OURS, image.IMAGE], base_tag(suite))[:12]}"


def ensure(podman: Podman, suite: str, say: Say) -> str:
    """Have the image of a suite; returns its tag. Slow only the first time (about a minute and the network)."""
    wanted, base = tag(suite), base_tag(suite)
    if _exists(podman, wanted):
        return wanted
    started = time.monotonic()
    if not _exists(podman, base):
        say(f"image {suite} with cloud-init: Debian's packages (about a minute)")
        _bootstrap(podman, suite, base)
    host = f"localhost/lockstep-ec2-host:{wanted.rpartition(':')[2]}"
    image._build(podman, base, host)
    podman.run("build", "--quiet", "--network=none", "--tag", wanted, "--build-arg", f"BASE={host}", str(OURS))
    say(f"image {suite} with cloud-init: ready after {time.monotonic() - started:.0f} s")
    return wanted


def _exists(podman: Podman, wanted: str) -> bool:
    return podman.run("image", "exists", wanted, check=False).returncode == 0


def _bootstrap(podman: Podman, suite: str, base: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise FleetError("mmdebstrap is not installed", "run: make setup")
    tar = podman.base / "tmp" / f"ec2-{suite}.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in image.LEFT_OUT]
    try:  # no mirror is named: mmdebstrap then uses Debian's own for the suite
        done = subprocess.run(
            [*command, suite, str(tar)], capture_output=True, text=True, check=False, env=podman.environment
        )
        if done.returncode:
            said = "\n  ".join(done.stderr.strip().splitlines()[-6:])
            raise FleetError(
                f"mmdebstrap {suite} failed ({done.returncode}):\n  {said}", "check the network, then again"
            )
        podman.run("import", "--quiet", str(tar), base)
    finally:
        tar.unlink(missing_ok=True)
