"""The official release: its archive from Pulumi's download host, its checksums from the release page on another host.

No checksum is committed here. The archive is compared with the release's own list of sha256 sums, fetched over HTTPS
from a second host: both would have to be forged together. An archive that the list does not name is refused.
"""

from __future__ import annotations

import hashlib
import io
import platform
import re
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from .places import EngineError, say

ARCHIVES = "https://get.pulumi.com/releases/sdk"
SUMS = "https://github.com/pulumi/pulumi/releases/download"
PATIENCE = 5.0  # seconds to find out that a host cannot be reached


class UnreachableError(EngineError):
    """The release cannot be reached from here, which is no fault: another way is tried."""


def archive_name(version: str, machine: str | None = None, system: str | None = None) -> str:
    """Name the archive for this machine, e.g. `pulumi-v3.272.0-linux-x64.tar.gz`.

    :raises UnreachableError: for a machine that Pulumi makes no release for
    """
    machine, system = machine or platform.machine(), (system or platform.system()).lower()
    chips = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    if system not in ("linux", "darwin") or machine not in chips:
        raise UnreachableError(f"there is no release of Pulumi for {system} on {machine}")
    return f"pulumi-v{version}-{system}-{chips[machine]}.tar.gz"


def checksum(listing: str, name: str) -> str:
    """Find an archive's sha256 in the text of a checksums file.

    :raises EngineError: if the file does not name the archive exactly once
    """
    sums = re.findall(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(name)}\s*$", listing, re.MULTILINE)
    if len(sums) != 1:
        raise EngineError(
            f"the release's list of checksums names {name} {len(sums)} times instead of once; refusing the download. "
            "Remedy: install Pulumi yourself and put it on PATH."
        )
    return str(sums[0])


def fetch(url: str) -> bytes:
    """Download a url whole.

    :raises UnreachableError: if the host does not answer or has no such file
    """
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError) as error:
        raise UnreachableError(f"{url}: {getattr(error, 'reason', error)}") from None


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack the programs of an archive, which holds them below one folder `pulumi/`."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar.getmembers():
            head, _, rest = member.name.partition("/")
            if head == "pulumi" and rest and "/" not in rest and member.isfile():
                member.name = rest
                tar.extract(member, folder, filter="data")


def download(version: str, folder: Path) -> None:
    """Fetch, check and unpack one release.

    :raises UnreachableError: if it cannot be reached
    :raises EngineError: if what came is not what the release lists
    """
    name = archive_name(version)
    expected = checksum(fetch(f"{SUMS}/v{version}/pulumi-{version}-checksums.txt").decode("utf-8"), name)
    say(f"downloading {name} (about 100 MB)")
    archive = fetch(f"{ARCHIVES}/{name}")
    found = hashlib.sha256(archive).hexdigest()
    if found != expected:
        raise EngineError(
            f"{ARCHIVES}/{name} has sha256 {found}, but its release lists {expected}; it was thrown away. "
            "Remedy: try again, and if this stays, ask who answers for that address on your network."
        )
    unpack(archive, folder)
