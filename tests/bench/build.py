"""An environment built cold and warm, beside bare py-rattler, byte-compiling and `cp -al`, in one run.

usage: python tests/bench/build.py [PACKAGES] [--smoke]    (150 packages, some 28,000 files; needs 3 GB below TMPDIR)

The environment is made up: modules of a few functions and some data in noarch packages, served from a folder. Goals:
cold, 1.2 times py-rattler plus byte-compiling; warm with a sibling's byte-code, 1.5 s; 350 MB of memory at most.
--smoke: the same steps with three small packages, for a test that they still work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "collections")]

from ansible_collections.lockstep.fleet.plugins.module_utils.build import build  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan  # noqa: E402

from tests.support import tiny_channel as tiny  # noqa: E402

MODULES, DATA = 55, 130  # files of a package
MEMORY = 0.02  # seconds between two looks at the processes' memory


def module(number: int) -> bytes:
    """Some 3 KB of Python that compile to something."""
    body = "".join(
        f"def function_{i}(a, b={i}):\n    '''Return something of {number}.'''\n"
        f"    total = [x * {i} for x in range(a)]\n"
        f"    return sum(total) + b if a > {i} else {{'key': a, 'other': total}}\n\n"
        for i in range(14)
    )
    return body.encode()


def make(folder: Path, packages: int, modules: int = MODULES, data: int = DATA) -> tiny.Channel:
    """A channel with python and so many packages of so many files each; the last one in two versions."""
    channel = tiny.make_channel(folder)
    noise = random.Random(1)
    for n in range(packages):
        files: dict[str, Any] = {f"site-packages/p{n}/m{i}.py": module(n * modules + i) for i in range(modules)}
        files |= {
            f"site-packages/p{n}/data/d{i}": noise.randbytes(noise.choice((800, 4000, 30000))) for i in range(data)
        }
        for version in ("1.0", "2.0") if n == packages - 1 else ("1.0",):
            files[f"site-packages/p{n}/version.py"] = f"VERSION = '{version}'\n".encode()
            channel.add(f"p{n}", version, dict(files), depends=("python",), noarch="python")
    return channel


def memory_of(pid: int) -> int:
    """Bytes that a process and its children hold, shared ones counted in part (PSS)."""
    total = 0
    for child in [pid, *children(pid)]:
        try:
            lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def children(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in below:
            found += [child, *children(child)]
    return found


def timed(*arguments: str) -> dict[str, Any]:
    """Run this script's own `step` in a fresh process; its answer, wall and CPU seconds, and peak memory in bytes."""
    before, started = os.times(), time.monotonic()
    command = [sys.executable, __file__, "step", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(MEMORY)
    wall, after = time.monotonic() - started, os.times()
    told, error = process.communicate()
    if process.returncode:
        sys.exit(f"{arguments} ended with {process.returncode}: {told[-1000:]}{error[-1000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": wall, "cpu": cpu, "peak": peak, "answer": json.loads(told or "{}")}


def step(what: str, plan_file: str, root: str, target: str) -> None:
    """One measured thing, in a process of its own."""
    plan = InstallPlan.from_json(json.loads(Path(plan_file).read_text()))
    store = tiny.Store(root, tools=f"{root}/rattler/tools-test", rattler=f"{root}/rattler/0.test")
    if what == "stage":
        print(json.dumps(build.stage(store, plan, build.Options(pip_check=False))["seconds"]))
    elif what == "rattler":
        request = {
            "rattler": store.rattler, "packages": plan.to_json()["packages"], "channel": plan.channel,
            "staging": target, "final": target, "pkgs": store.pkgs, "full": False,
        }  # fmt: skip
        program = f"{store.tools}/lockstep_host/build/install_child.py"
        with tempfile.TemporaryFile() as lock:
            done = subprocess.run(
                [store.python, "-I", program], input=json.dumps({**request, "lock": lock.fileno()}),
                pass_fds=[lock.fileno()], capture_output=True, text=True,
            )  # fmt: skip
        sys.exit(done.returncode and done.stdout + done.stderr)
    elif what == "compile":
        code = "import compileall, sys; compileall.compile_dir(sys.argv[1], quiet=2, workers=0)"
        subprocess.run([sys.executable, "-c", code, target], check=True)
    elif what == "copy":
        subprocess.run(["cp", "-al", root, target], check=True)


def main() -> None:
    """Measure and print; what is compared ran in the same minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=int, nargs="?", default=150)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    packages, files_each = (3, (2, 3)) if given.smoke else (given.packages, (MODULES, DATA))
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as name:
        base = Path(name)
        channel = make(base / "channel", packages, *files_each)
        wanted = [f"p{n}" for n in range(packages - 1)]
        last = f"p{packages - 1}"
        plans = {v: channel.plan("train", "python", *wanted, f"{last}={v}") for v in ("1.0", "2.0")}
        files = {v: base / f"plan-{v}.json" for v in plans}
        for version, plan in plans.items():
            files[version].write_text(json.dumps(plan.to_json()))
        root, other = base / "root", base / "other"
        tiny.make_store(root)
        tiny.make_store(other)
        os.sync()
        load = os.getloadavg()[0]
        rows = {
            "bare py-rattler, cold": timed("rattler", str(files["1.0"]), str(other), str(base / "bare")),
            "byte-compiling alone": timed("compile", str(files["1.0"]), str(other), str(base / "bare")),
            "stage, cold": timed("stage", str(files["1.0"]), str(root), ""),
        }
        built = next((root / "generations" / "train").glob("[0-9a-f]*"))
        rows["bare py-rattler, warm"] = timed("rattler", str(files["2.0"]), str(other), str(base / "bare-2"))
        rows["cp -al of it"] = timed("copy", str(files["1.0"]), str(built), str(base / "copy"))
        rows["stage, warm, a sibling's .pyc"] = timed("stage", str(files["2.0"]), str(root), "")
        rows["stage, nothing to do"] = timed("stage", str(files["2.0"]), str(root), "")
        count = sum(len(names) for _, _, names in os.walk(built))
        print(f"{packages} packages, {count} files, load {load:.1f}")
        for title, row in rows.items():
            phases = ", ".join(f"{key} {value:.1f}" for key, value in row["answer"].items() if value >= 0.05)
            print(f"{title:<31} {row['wall']:6.1f} s  {row['cpu']:6.1f} CPU-s  {row['peak'] / 1e6:5.0f} MB   {phases}")
        bound = rows["bare py-rattler, cold"]["wall"] + rows["byte-compiling alone"]["wall"]
        print(f"cold / (py-rattler + compiling) {rows['stage, cold']['wall'] / bound:5.2f}")
        for path in (root, base / "copy", base / "bare", base / "bare-2"):
            fs.remove(str(path))
        shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        step(*sys.argv[2:])
    else:
        main()
