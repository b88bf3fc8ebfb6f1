"""The checkout's own program in a temporary project: its stacks, with a key and another backend."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from local.fakes.ec2.endpoint import Endpoint
from local.fleet import paths
from tests.support.pulumi_project import Outcome, Project

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBiYtPnQ0zM0fCn0v7Y2 somebody@example.org"
INSTANCE = "aws:ec2/instance:Instance"


def shipped(file: str) -> dict[str, Any]:
    """The configuration in a stack file of the checkout, such as `examples/aws-dev/Pulumi.dev.yaml`."""
    found: dict[str, Any] = yaml.safe_load((paths.CHECKOUT / file).read_text(encoding="utf-8"))
    return dict(found["config"])


class ClusterProject(Project):
    """A project whose program is the checkout's, and whose configuration is given as data."""

    def __init__(self, folder: Path, engine: Path, endpoint: Endpoint, stack: str, config: dict[str, Any]) -> None:
        folder.mkdir(parents=True)
        for name in paths.PROGRAM:
            (folder / name).symlink_to(paths.CHECKOUT / name)
        super().__init__(folder, engine, endpoint, stack, {})
        self.values = copy.deepcopy(config)

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "Pulumi.yaml").write_text((paths.CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
        self.run("stack", "init", self.stack)
        # the program's relative files are the checkout's; a symlinked module finds the real one
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def configure(self) -> None:
        """Write the configuration as it is now."""
        file = self.folder / f"Pulumi.{self.stack}.yaml"
        kept = yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file.exists() else {}
        values = copy.deepcopy(self.values)
        access = values["lockstep:access"]
        access["ssh_key_files"], access["ssh_keys"] = [], [KEY]
        file.write_text(yaml.safe_dump({**kept, "config": values}, sort_keys=False), encoding="utf-8")

    def steps(self) -> dict[str, str]:
        """What a preview would do, by resource name: only what is not `same`."""
        self.configure()
        found = self.preview()
        return {
            f"{step['urn'].split('::')[-2].split('$')[-1]} {step['urn'].split('::')[-1]}": step["op"]
            for step in found
            if step["op"] != "same"
        }

    def go(self, check: bool = True) -> Outcome:
        """`pulumi up` with the configuration as it is now."""
        self.configure()
        return self.up(check)

    def machines(self) -> dict[str, dict[str, Any]]:
        """The inventory's hosts."""
        return dict(self.outputs()["inventory"]["hosts"])
