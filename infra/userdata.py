"""Write the user data for cloud-init: it installs `provision-host.sh` unchanged, and runs it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from .config.model import Host

SCRIPT = Path(__file__).with_name("provision-host.sh")
INSTALLED = "/usr/local/sbin/lockstep-provision-host"
MARKER = "/var/lib/lockstep/ready"
LIMIT = 16 * 1024  # bytes that EC2 accepts, before base64


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as YAML blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def arguments(host: Host, storage: str, keys: tuple[str, ...]) -> list[str]:
    """Return the script's arguments for a machine."""
    found = ["--user", host.user, "--root", host.root, "--storage", storage]
    if host.uid is not None:
        found += ["--uid", str(host.uid)]
    for key in keys:
        found += ["--authorized-key", key]
    return found


def user_data(host: Host, storage: str, keys: tuple[str, ...]) -> str:
    """Write the user data of a machine, as cloud-config.

    `set -eu` comes first, because cloud-init otherwise continues after a command that fails. The script writes the
    marker last: if it exists, everything worked.
    """
    config = {
        "write_files": [{"path": INSTALLED, "permissions": "0755", "content": SCRIPT.read_text(encoding="utf-8")}],
        "runcmd": ["set -eu", [INSTALLED, *arguments(host, storage, keys)]],
    }
    return "#cloud-config\n" + yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=10_000)
