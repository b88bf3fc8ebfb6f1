"""A no-op `site.yml` beside the same state checked by builtin tasks, on the local fleet, in one run.

usage: python tests/bench/site_noop.py [INVENTORY] [ROUNDS]      (the fleet up and converged)

Molecule's scenario `default` runs it once on its own hosts, so that it keeps working.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(inventory: str, playbook: str, *extra: str) -> float:
    """Seconds that one run takes; a failing run ends the benchmark, since its time would mean nothing."""
    started = time.monotonic()
    command = [str(BIN / "ansible-playbook"), "-i", inventory, playbook, *extra]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return time.monotonic() - started


def remote_tasks(envs: int) -> int:
    """How many remote calls a host the yardstick makes."""
    return 12 + 3 * envs + 4


def main() -> None:
    """Alternate both, take medians, print the ratio; the start of ansible-playbook itself is shown apart."""
    inventory = sys.argv[1] if len(sys.argv) > 1 else "inventory/stack"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    listing = json.loads(
        subprocess.run(
            [BIN / "ansible-inventory", "-i", inventory, "--list"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    hosts = listing["_meta"]["hostvars"]
    envs = len(next(iter(hosts.values()))["lockstep_envs"])
    times: dict[str, list[float]] = {"start": [], "site": [], "builtin": []}
    for _ in range(rounds):
        times["start"].append(run(inventory, "site.yml", "--list-hosts"))
        times["site"].append(run(inventory, "site.yml"))
        times["builtin"].append(run(inventory, "tests/bench/builtin_check.yml"))
    start, site, builtin = (statistics.median(times[key]) for key in ("start", "site", "builtin"))
    print(f"{len(hosts)} hosts, {envs} environments, median of {rounds}")
    print(f"ansible-playbook's own start   {start:7.2f} s")
    print(f"site.yml, nothing to do        {site:7.2f} s  one remote call a host")
    print(f"{remote_tasks(envs)} builtin calls a host        {builtin:7.2f} s")
    apart = (builtin - start) / max(site - start, 1e-9)
    print(f"ratio                          {builtin / site:7.1f}      without the start {apart:.1f}")


if __name__ == "__main__":
    main()
