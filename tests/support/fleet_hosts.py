"""The hosts of a Molecule scenario: commands on them as their users, and playbooks as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import CHECKOUT

ROOT = "/opt/lockstep"

# A process that imports modules only after its flag file is removed; it prints where they came from.
LATE_IMPORTS = """import pathlib, sys, time
flag = pathlib.Path(sys.argv[1])
flag.touch()
while flag.exists():
    time.sleep(0.1)
import wave, numpy
print(numpy.__version__, numpy.__file__)
"""


class Fleet:
    """The hosts of the scenario `molecule/<scenario>`."""

    def __init__(self, scenario: str) -> None:
        self.inventory = f"molecule/{scenario}/inventory"
        declared = yaml.safe_load((CHECKOUT / self.inventory / "hosts.yml").read_text())["all"]
        self.state = CHECKOUT / ".lockstep" / declared["vars"]["fleet_name"]
        self.hosts = tuple(host for tier in declared["children"].values() for host in tier["hosts"])

    def ssh(self, host: str, command: str, user: str = "ml") -> list[str]:
        """The command line that runs a command on a host over ssh."""
        return [
            sys.executable, "-m", "local.fleet", "--inventory", self.inventory, "ssh", "--user", user, host, command,
        ]  # fmt: skip

    def run(self, host: str, command: str, user: str = "ml", rc: int | None = 0) -> str:
        """Run a command on a host over ssh; its output, standard error included."""
        done = subprocess.run(
            self.ssh(host, command, user), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=600,
        )  # fmt: skip
        assert rc is None or done.returncode == rc, f"{host}: {command}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start_late_imports(self, host: str, flag: str, start: str) -> subprocess.Popen[str]:
        """Start LATE_IMPORTS with `start`, a command that ends where python's arguments begin; returns once it runs."""
        self.run(host, f"cat > /tmp/late.py <<'END'\n{LATE_IMPORTS}END")
        command = self.ssh(host, f"bash -c '{start} /tmp/late.py {flag}'")
        job = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.run(host, f"for i in $(seq 1200); do [ -e {flag} ] && exit 0; sleep 0.1; done; exit 1")
        return job

    def finish_late_imports(self, host: str, flag: str, job: subprocess.Popen[str]) -> str:
        """Remove the flag file and wait for the process; its output."""
        self.run(host, f"rm {flag}")
        told, _ = job.communicate(timeout=300)
        assert job.returncode == 0, told
        return told

    def play(self, *arguments: str, rc: int | None = 0) -> str:
        """Run ansible-playbook; its output."""
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", self.inventory, *arguments]
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"}  # Molecule turns colours on
        done = subprocess.run(
            argv, cwd=CHECKOUT, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
        )
        assert rc is None or done.returncode == rc, f"{arguments} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def apply(self, role: str, *arguments: str, rc: int | None = 0) -> str:
        """Apply one role to the hosts; ansible-playbook's output."""
        roles = json.dumps({"scenario_roles": [role]})
        return self.play("molecule/shared/roles.yml", "-e", roles, *arguments, rc=rc)

    def audit(self, *arguments: str, rc: int) -> dict[str, Any]:
        """Audit; the report."""
        self.play("playbooks/audit.yml", *arguments, rc=rc)
        report: dict[str, Any] = json.loads((self.state / "reports/report.json").read_text())
        return report

    def fault(self, name: str, host: str, *arguments: str) -> None:
        """Apply one of local.fleet's faults to a host."""
        argv = [sys.executable, "-m", "local.fleet", "--inventory", self.inventory, "fault", name, host, *arguments]
        subprocess.run(argv, cwd=CHECKOUT, check=True, timeout=60)


def unchanged(recap: str) -> bool:
    """Whether the recap of a playbook's output has hosts and says of each that nothing changed."""
    counts = [line for line in recap.splitlines() if "changed=" in line and "ok=" in line]
    return bool(counts) and all("changed=0 " in line for line in counts)
