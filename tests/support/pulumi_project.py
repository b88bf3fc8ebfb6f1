"""A project, the real engine and an emulated EC2 of their own, in a temporary folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.fakes.aws_provider.cloud import Cloud
from local.fakes.ec2.endpoint import REGION, Endpoint
from local.fleet import paths
from local.pulumi_engine.environment import settings

PLUGIN = paths.CHECKOUT / "local/fakes/aws_provider/bin"


@dataclass
class Outcome:
    code: int
    text: str
    seconds: float

    def summary(self) -> dict[str, int]:
        """Counts of the last summary that the engine printed: {"create": 2, "same": 1}."""
        words = {
            "created": "create",
            "updated": "update",
            "deleted": "delete",
            "replaced": "replace",
            "unchanged": "same",
        }
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.text)
        found = re.findall(r"(\d+) (to \w+|\w+)(?= |$|\n|\.|,)", plain.rpartition("Resources:")[2])
        return {words.get(word, word.removeprefix("to ")): int(count) for count, word in found if word != "changes"}


@dataclass
class Project:
    """A Pulumi project whose program can be rewritten between runs."""

    folder: Path
    engine: Path
    endpoint: Endpoint
    stack: str = "t"
    config: dict[str, str] = field(default_factory=lambda: {"aws:region": REGION})

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".venv").symlink_to(paths.CHECKOUT / ".venv")
        runtime = "runtime:\n  name: python\n  options:\n    virtualenv: .venv\n"
        (self.folder / "Pulumi.yaml").write_text(f"name: t\n{runtime}")
        self.environment = {
            **os.environ,
            **settings(self.engine, self.folder.parent / "state"),
            "AWS_ACCESS_KEY_ID": "emulated",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "PULUMI_OPTION_NON_INTERACTIVE": "true",
            "PULUMI_OPTION_COLOR": "never",
        }
        self.environment["PATH"] = f"{PLUGIN}{os.pathsep}{self.environment['PATH']}"
        self.point()
        self.run("stack", "init", self.stack)
        for key, value in self.config.items():
            self.run("config", "set", key, value)

    def point(self) -> None:
        """Have the emulated EC2 running and named in the environment."""
        process, _ = self.endpoint.up()
        self.environment["AWS_ENDPOINT_URL"] = process.url

    @property
    def cloud(self) -> Cloud:
        return Cloud(REGION, self.environment["AWS_ENDPOINT_URL"])

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text("import pulumi\nimport pulumi_aws as aws\n" + textwrap.dedent(text))

    def run(self, *argv: str, check: bool = True, **environment: str) -> Outcome:
        started = time.monotonic()
        done = subprocess.run(
            ["pulumi", *argv],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout + done.stderr, time.monotonic() - started)
        if check and done.returncode:
            raise AssertionError(f"pulumi {' '.join(argv)} exited {done.returncode}:\n{outcome.text[-4000:]}")
        return outcome

    def up(self, check: bool = True) -> Outcome:
        return self.run("up", "--yes", "--skip-preview", "--stack", self.stack, check=check)

    def preview(self, *argv: str, check: bool = True) -> list[dict[str, Any]]:
        """The steps of a preview, as the engine reports them."""
        done = self.run("preview", "--json", "--stack", self.stack, *argv, check=check)
        found: list[dict[str, Any]] = json.loads(done.text[done.text.index("{") :])["steps"]
        return found

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--stack", self.stack).text)
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state's resources by name."""
        state = json.loads(self.run("stack", "export", "--stack", self.stack).text)
        return {item["urn"].rpartition("::")[2]: item for item in state["deployment"].get("resources", [])}
