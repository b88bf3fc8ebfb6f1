"""What the scenarios' checks share: commands on hosts as their users, and plays as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
INVENTORY = "molecule/inventory"
STATE = CHECKOUT / ".lockstep/molecule"
ROOT = "/opt/lockstep"


class Fleet:
    """The hosts of an inventory of the scenarios."""

    def __init__(self, inventory: str = INVENTORY, state: Path = STATE) -> None:
        self.inventory, self.state = inventory, state

    def run(self, host: str, command: str, user: str = "ml", rc: int | None = 0) -> str:
        """Run a command on a host over ssh; its output, standard error included."""
        argv = [
            sys.executable,
            "-m",
            "local.fleet",
            "--inventory",
            self.inventory,
            "ssh",
            "--user",
            user,
            host,
            command,
        ]
        done = subprocess.run(
            argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
        )
        assert rc is None or done.returncode == rc, f"{host}: {command}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def play(self, *arguments: str, rc: int | None = 0) -> str:
        """Run ansible-playbook; its output."""
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", self.inventory, *arguments]
        done = subprocess.run(
            argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
        )
        assert rc is None or done.returncode == rc, f"{arguments} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def audit(self, *arguments: str, rc: int) -> dict[str, Any]:
        """Audit; the report."""
        self.play("playbooks/audit.yml", *arguments, rc=rc)
        report: dict[str, Any] = json.loads((self.state / "reports/report.json").read_text())
        return report

    def lever(self, name: str, host: str, *arguments: str) -> None:
        """Break something on purpose: a fault of local.fleet."""
        argv = [sys.executable, "-m", "local.fleet", "--inventory", self.inventory, "fault", name, host, *arguments]
        subprocess.run(argv, cwd=CHECKOUT, check=True, timeout=60)
