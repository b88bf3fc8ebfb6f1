"""Samples for tests of `local/`: an inventory, a conda package, an instance, the programs of an engine."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from local.fakes.channel import condapkg
from local.fakes.ec2 import machine_images
from local.pulumi_engine import places

GPU = {"name": "X", "memory_mib": 1, "driver": "570.1", "cuda": "12.8", "count": 1}


def listing(**hosts: dict[str, Any]) -> dict[str, Any]:
    common = {"fleet_name": "demo", "fleet_subnet": "10.9.0.0/24"}
    return {"_meta": {"hostvars": {name.replace("_", "-"): {**common, **v} for name, v in hosts.items()}}}


def package(out: Path, tmp: Path, **changes: Any) -> Path:
    root = tmp / "root"
    condapkg.place(root, "bin/run", "#!@PREFIX@/bin/python\n", executable=True)
    condapkg.place(root, "lib/x.so", b"\x7fELF\0" + condapkg.PLACEHOLDER.encode() + b"\0tail")
    condapkg.place(root, "share/a b.txt", "plain\n")
    (root / "share" / "link").unlink(missing_ok=True)
    (root / "share" / "link").symlink_to("a b.txt")
    return condapkg.write(out, root, condapkg.Package("demo", "1.0", "{hash}_0", **changes))


SUBNET = ipaddress.IPv4Network("10.98.0.0/16")
DEBIAN_13 = machine_images.IMAGES["/aws/service/debian/release/13/latest/amd64"].identity


def instance(name: str = "a-01", state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "InstanceId": f"i-{name}",
        "ImageId": DEBIAN_13,
        "InstanceType": "p5.48xlarge",
        "PrivateIpAddress": "10.98.0.4",
        "State": {"Name": state},
        "Tags": [{"Key": "Name", "Value": name}],
        **more,
    }


def programs(folder: Path, version: str = "v3.300.0", names: tuple[str, ...] = places.PROGRAMS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)
