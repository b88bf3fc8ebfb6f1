"""Images of the hosts: Debian's packages by mmdebstrap, then a few files on top. Made once for each set of inputs."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from local.fleet import paths
from local.fleet.errors import FleetError
from local.fleet.podman import Podman

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "polkitd", "python3", "openssh-server",
    "ca-certificates", "bzip2", "cron", "iproute2", "iputils-ping", "curl", "procps", "util-linux", "nftables", "zsh",
    "fish", "cloud-init",
)  # fmt: skip
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
IMAGE = paths.HERE / "fleet" / "host_image"
KEPT_DAYS = 7
Say = Callable[[str], None]


def base_tag(suite: str) -> str:
    """Return the tag of the image with Debian's packages alone."""
    return f"localhost/lockstep-base:{suite}-{paths.digest_of([], *PACKAGES, *LEFT_OUT)[:12]}"


def host_tag(suite: str) -> str:
    """Return the tag of the image that hosts start from; it changes with the inputs."""
    return f"localhost/lockstep-host:{suite}-{paths.digest_of([IMAGE], base_tag(suite))[:12]}"


def ensure(podman: Podman, suite: str, say: Say) -> str:
    """Ensure the image of a suite; return its tag. Slow only the first time (about a minute and the network)."""
    tag = host_tag(suite)
    use(podman, base_tag(suite), tag)
    if exists(podman, tag):
        return tag
    started = time.monotonic()
    base = base_tag(suite)
    if not exists(podman, base):
        say(f"image {suite}: Debian's packages (about a minute)")
        _bootstrap(podman, suite, base)
    say(f"image {suite}: the host's own files")
    _build(podman, base, tag)
    sweep(podman)
    say(f"image {suite}: ready after {time.monotonic() - started:.0f} s")
    return tag


def use(podman: Podman, *tags: str) -> None:
    """Record that images are used today: several checkouts share them, and none knows what another one needs."""
    folder = podman.base / "used"
    folder.mkdir(parents=True, exist_ok=True)
    for tag in tags:
        (folder / tag.rpartition("/")[2]).touch()


def sweep(podman: Podman, now: float | None = None) -> None:
    """Remove images that no checkout used for some days, unless a container still uses them."""
    now = time.time() if now is None else now
    listed = podman.run("images", "--format", "{{.Repository}}:{{.Tag}}", check=False).stdout.split()
    ours = [tag for tag in listed if tag.startswith("localhost/lockstep-")]
    for tag in sorted(ours, key=lambda tag: ("-base:" in tag, "-host:" in tag)):  # what is made of others goes first
        stamp = podman.base / "used" / tag.rpartition("/")[2]
        if not stamp.exists():
            use(podman, tag)
        elif now - stamp.stat().st_mtime > KEPT_DAYS * 86400 and podman.run("rmi", tag, check=False).returncode == 0:
            stamp.unlink()


def exists(podman: Podman, tag: str) -> bool:
    """Return whether podman has an image."""
    return podman.run("image", "exists", tag, check=False).returncode == 0


def _bootstrap(podman: Podman, suite: str, tag: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise FleetError("mmdebstrap is not installed", "run: make setup")
    tar = podman.base / "tmp" / f"{suite}.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    try:  # no mirror is named: mmdebstrap then uses Debian's own for the suite
        done = subprocess.run(
            [*command, suite, str(tar)], capture_output=True, text=True, check=False, env=podman.environment
        )
        if done.returncode:
            said = "\n  ".join(done.stderr.strip().splitlines()[-6:])
            raise FleetError(
                f"mmdebstrap {suite} failed ({done.returncode}):\n  {said}",
                "check the network and the free space, then run it again",
            )
        podman.run("import", "--quiet", str(tar), tag)
    finally:
        tar.unlink(missing_ok=True)


def _build(podman: Podman, base: str, tag: str) -> None:
    context = podman.base / "tmp" / ("context-" + tag.rsplit(":", 1)[1])
    try:
        shutil.copytree(IMAGE, context, dirs_exist_ok=True)
        _compile(IMAGE / "sim" / "libcuda_sim.c", context / "libcuda.so.1")
        podman.run("build", "--quiet", "--network=none", "--tag", tag, "--build-arg", f"BASE={base}", str(context))
    finally:
        shutil.rmtree(context, ignore_errors=True)


def _compile(source: Path, library: Path) -> None:
    flags = ["-shared", "-fPIC", "-O1", "-s", "-Wl,-soname,libcuda.so.1", "-Wl,--build-id=none"]
    command = ["cc", *flags, "-o", str(library), str(source)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise FleetError("no C compiler (cc) for the simulated libcuda", "run: make setup") from None
    except subprocess.CalledProcessError as error:
        raise FleetError(f"{source.name} does not compile:\n  {error.stderr.strip()}") from None
