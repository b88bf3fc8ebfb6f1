"""What cloud-init is told: put one script in place, `provision-host.sh` word for word, and run it once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from .config.model import Host

SCRIPT = Path(__file__).with_name("provision-host.sh")
INSTALLED = "/usr/local/sbin/lockstep-provision-host"
MARKER = "/var/lib/lockstep/ready"
LIMIT = 16 * 1024  # bytes that EC2 takes, before base64


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as a person would."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def arguments(host: Host, storage: str, keys: tuple[str, ...]) -> list[str]:
    """Give the script's arguments for a machine."""
    found = ["--user", host.user, "--root", host.root, "--storage", storage]
    if host.uid is not None:
        found += ["--uid", str(host.uid)]
    for key in keys:
        found += ["--authorized-key", key]
    return found


def user_data(host: Host, storage: str, keys: tuple[str, ...]) -> str:
    """Write the user data of a machine, as cloud-config.

    cloud-init goes on after a command that fails, unless told otherwise: hence `set -eu` first. Whether it all worked
    is told by the marker, which the script writes last.
    """
    config = {
        "write_files": [{"path": INSTALLED, "permissions": "0755", "content": SCRIPT.read_text(encoding="utf-8")}],
        "runcmd": ["set -eu", [INSTALLED, *arguments(host, storage, keys)]],
    }
    return "#cloud-config\n" + yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=10_000)


def by_hand(host: Host, storage: str, keys: tuple[str, ...]) -> str:
    """Give the command that does the same on a machine that Pulumi did not make."""
    return f"infra/{SCRIPT.name} {shlex.join(arguments(host, storage, keys))}"
