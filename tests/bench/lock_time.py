"""How long a lock takes beside py-rattler's bare solve, by size of the environment and number of platforms.

    python tests/bench/lock_time.py [METADATA] [--repeat 5] [--smoke]

METADATA is a folder with conda-forge's `<platform>/repodata.json` or `.json.bz2`, or LOCKSTEP_CONDA_FORGE_SUBSET names
one. --smoke: a channel of a few made-up packages instead, solved once; no goal. Bare solve: a new gateway, reading the
metadata and one `rattler.solve` for each platform, nothing else. Lock: what `playbooks/lock.yml` does for one
environment that has no lock yet (first) and for one that has (again), Ansible's own start left out. Each in a process
of its own; medians. The goal is twice the bare solve plus a second; it ends with 1 if that is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import bz2
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "collections"), str(CHECKOUT)]

LINUX, ALL = ["linux-64"], ["linux-64", "linux-aarch64", "osx-arm64"]
GPU = ["python 3.12.*", "pytorch-gpu", "cuda-version 12.*", "numpy", "pandas", "scikit-learn"]
NOTEBOOK = ["python 3.12.*", "jupyterlab", "matplotlib", "scipy"]
CASES = [
    ("a few tools", ["python 3.12.*", "numpy"], LINUX),
    ("notebook", NOTEBOOK, LINUX),
    ("notebook", NOTEBOOK, ALL),
    ("GPU", GPU, LINUX),
    ("GPU", GPU, ALL[:2]),
    ("GPU and notebook", [*GPU, *NOTEBOOK[1:]], LINUX),
    ("GPU and notebook", [*GPU, *NOTEBOOK[1:]], ALL[:2]),
    # of 2.12 there is no CUDA build for linux-aarch64 in that copy, and the CPU build would be refused
    ("PyTorch and notebook", ["python 3.12.*", "pytorch <2.12", *NOTEBOOK[1:]], ALL),
]
SYSTEM_REQUIREMENTS = {"cuda": "12.9", "glibc": "2.28"}


def bare(metadata: Path, dependencies: list[str], platforms: list[str]) -> dict[str, float]:
    """Solve with py-rattler alone."""
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.system_requirements import SystemRequirements
    from rattler import BuildString, Gateway, GenericVirtualPackage, MatchSpec, PackageName, Version, solve

    system_requirements = SystemRequirements.parse(SYSTEM_REQUIREMENTS)

    async def run() -> int:
        gateway, count = Gateway(), 0
        for platform in platforms:
            virtual = [GenericVirtualPackage(PackageName(n), Version(v), BuildString(b))
                       for n, v, b in system_requirements.virtual_packages(platform)]  # fmt: skip
            count += len(await solve(
                [(metadata / "conda-forge").as_uri()], [MatchSpec(text) for text in dependencies], gateway=gateway,
                platforms=[platform, "noarch"], virtual_packages=virtual,
                constraints=[MatchSpec(text) for text in system_requirements.constraints(platform)]))  # fmt: skip
        return count

    started = time.perf_counter()
    count = asyncio.run(run())
    return {"seconds": time.perf_counter() - started, "packages": count}


def lock(metadata: Path, dependencies: list[str], platforms: list[str], again: bool) -> dict[str, float]:
    """Make a lock as the playbook does."""
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        envs = Path(folder) / "envs"
        envs.mkdir()
        (envs / "x.yml").write_text("dependencies:\n" + "".join(f"  - {text}\n" for text in dependencies))
        settings = Settings(envs, envs / "locks", "dev", repodata_alias=str(metadata),
                            system_requirements=SYSTEM_REQUIREMENTS,
                            platforms=tuple(platforms), cache=envs / "cache")  # fmt: skip
        if again:
            run(settings, write=True)
        started = time.perf_counter()
        (outcome,) = run(settings, write=True)
        seconds = time.perf_counter() - started
        if outcome.findings or outcome.changed is again:
            sys.exit("\n".join(finding.text() for finding in outcome.findings) or "the lock changed without a reason")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "packages": sum(item["packages"] for item in outcome.platforms), "peak": peak}


def measured(what: str, metadata: Path, case: int, repeat: int) -> dict[str, float]:
    """Run one kind of work in fresh processes; return its median time and what it found."""
    runs = []
    for _ in range(repeat):
        command = [sys.executable, __file__, str(metadata), "--one", what, "--case", str(case)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return runs[0] | {"seconds": statistics.median(run["seconds"] for run in runs)}


def prepared(source: Path, folder: Path) -> Path:
    """Lay the metadata out as a channel that is read from a disk."""
    for path in source.glob("*/repodata.json*"):
        target = folder / "conda-forge" / path.parent.name / "repodata.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes())
    return folder


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metadata", type=Path, nargs="?", default=os.environ.get("LOCKSTEP_CONDA_FORGE_SUBSET"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--one", choices=["bare", "first", "again"], help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.metadata and not given.smoke:
        parser.error("no metadata to solve: give a folder with conda-forge's, or set LOCKSTEP_CONDA_FORGE_SUBSET")
    if given.one:
        _, dependencies, platforms = CASES[given.case]
        found = (bare(given.metadata, dependencies, platforms) if given.one == "bare"
                 else lock(given.metadata, dependencies, platforms, given.one == "again"))  # fmt: skip
        print(json.dumps(found), flush=True)
        os._exit(0)  # py-rattler's threads sometimes abort an interpreter that ends the usual way
    missed = False
    print(f"{'environment':<22}{'platforms':>9}{'packages':>10}{'bare solve':>12}{'lock, first':>13}{'ratio':>7}"
          f"{'lock, again':>13}{'ratio':>7}{'peak MB':>9}{'goal':>8}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if given.smoke:
            from tests.support.small_channel import usual

            metadata, cases, repeat = usual(Path(folder)).folder, CASES[:1], 1
        else:
            metadata, cases, repeat = prepared(given.metadata, Path(folder)), CASES, given.repeat
        for index, (name, _, platforms) in enumerate(cases):
            base, first, again = (measured(what, metadata, index, repeat) for what in ("bare", "first", "again"))
            goal = 2 * base["seconds"] + 1
            missed |= not given.smoke and max(first["seconds"], again["seconds"]) > goal
            print(f"{name:<22}{len(platforms):>9}{first['packages']:>10.0f}{base['seconds']:>10.2f} s"
                  f"{first['seconds']:>11.2f} s{first['seconds'] / base['seconds']:>7.1f}{again['seconds']:>11.2f} s"
                  f"{again['seconds'] / base['seconds']:>7.1f}{first['peak']:>9.0f}{goal:>6.2f} s",
                  flush=True)  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
