"""Time and memory of `pulumi preview` for clusters of many machines, beside what Pulumi itself costs for as many.

    python tests/bench/pulumi_preview.py [N ...] [--smoke]        (200 and 1000 unless told otherwise; smoke: 2)

Three programs with N machines: the checkout's own; as many plain aws.ec2.Instance; as many empty components, which no
provider sees. Peak memory is what engine (with language host), program and provider together had resident at most.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from local.fakes.ec2.endpoint import Endpoint
from local.pulumi_engine.ensure import ensure
from tests.support.clusters import ClusterProject
from tests.support.pulumi_project import Project

PLAIN = """
for index in range({count}):
    aws.ec2.Instance(f"h-{{index:04}}", ami="ami-1", instance_type="p5.48xlarge", tags={{"Name": f"h-{{index:04}}"}})
"""
EMPTY = """
for index in range({count}):
    pulumi.ComponentResource("lockstep:bench:Nothing", f"h-{{index:04}}")
"""


def cluster(count: int) -> dict[str, Any]:
    """A configuration with `count` machines."""
    group = {"instance_type": "p5.48xlarge", "count": count, "ami": "/aws/service/debian/release/12/latest/amd64"}
    network = {"cidr": "10.20.0.0/16", "zones": ["us-east-1a", "us-east-1b"], "egress": "nat-single"}
    return {
        "aws:region": "us-east-1",
        "lockstep:tier": "dev",
        "lockstep:network": network,
        "lockstep:access": {},
        "lockstep:groups": {"train": group},
    }


def family(root: int) -> dict[str, int]:
    """Resident memory in KiB by command name, of a process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    wanted, found = {root}, {}
    while True:
        more = {pid for pid, parent in parents.items() if parent in wanted} - wanted
        if not more:
            break
        wanted |= more
    for pid in wanted:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        resident = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
        parts = {"local.fakes.aws_provider": "provider", "language-python-exec": "program"}
        name = next((part for word, part in parts.items() if word in command), "engine")
        found[name] = found.get(name, 0) + resident
    return found


def measure(project: Project) -> tuple[float, dict[str, int]]:
    """Seconds and peak MiB by part of one preview."""
    started = time.monotonic()
    command = ["pulumi", "preview", "--stack", project.stack, "--non-interactive", "--suppress-progress"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=project.folder, env=project.environment, stdout=said, stderr=said)
        most, peak = 0, {}
        while process.poll() is None:
            now = family(process.pid)
            if sum(now.values()) > most:
                most, peak = sum(now.values()), now
            time.sleep(0.2)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode()[-2000:])
    return time.monotonic() - started, {name: size // 1024 for name, size in peak.items()}


def main() -> int:
    """Print one line for each program and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    counts = [2] if given.smoke else given.counts
    engine = Path(ensure())
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'machines':>8}  {'program':<20} {'seconds':>8} {'ms each':>8}  peak memory (MiB)")
    with tempfile.TemporaryDirectory() as folder:
        endpoint = Endpoint(Path(folder) / "ec2", 5690)
        try:
            for count in counts:
                for name in ("empty components", "plain instances", "the cluster"):
                    where = Path(folder) / f"{name.replace(' ', '-')}-{count}" / "project"
                    if name == "the cluster":
                        project: Project = ClusterProject(where, engine, endpoint, "dev", cluster(count))
                        project.configure()  # type: ignore[attr-defined]
                    else:
                        project = Project(where, engine, endpoint)
                        project.program((EMPTY if name.startswith("empty") else PLAIN).format(count=count))
                    seconds, peak = measure(project)
                    parts = ", ".join(f"{part} {size}" for part, size in sorted(peak.items()))
                    print(
                        f"{count:>8}  {name:<20} {seconds:>8.1f} {1000 * seconds / count:>8.1f}  "
                        f"{sum(peak.values())} ({parts})",
                        flush=True,
                    )
        finally:
            endpoint.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
