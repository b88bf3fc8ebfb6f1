"""``python -m local.up``: from this machine to a converged and audited fleet; a second run changes nothing."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.fakes.ec2 import reconcile, stack
from local.fleet import image, lifecycle, model, paths
from local.fleet.__main__ import locked, say
from local.fleet.errors import FleetError, reported
from local.fleet.podman import Podman, write_if_changed

SAVED = paths.CHECKOUT / "inventory" / "local"  # hosts without an engine that would make them
LOCKS = paths.state("local") / "locks"
NOISE = re.compile(
    r"^(PLAY|TASK|RUNNING HANDLER|ok:|changed:|skipping:|included:|\S+ +: ok=|\[WARNING\]: Could not match supplied)"
)
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?:\S+ : )?(.*?)\] \**$")


def heading(text: str) -> None:
    """Print the heading of a step."""
    print(f"==> {text}", flush=True)


def said(lines: Iterable[str]) -> list[str]:
    """Return the messages of a playbook, without Ansible's lines on plays, tasks and hosts."""
    kept: list[str] = []
    for line in lines:
        if line.startswith(("[ERROR]", "fatal:")) and any(k.startswith("report:") for k in kept):
            break  # the report has said it all
        if not NOISE.match(line) and not (not line.strip() and (not kept or not kept[-1].strip())):
            kept.append(line.rstrip())
    return kept


def playbook(name: str, *arguments: str, show: bool = False) -> int:
    """Run a playbook on the local fleet, all of it into a log; its tasks as progress, or with `show` what it said."""
    log = paths.CHECKOUT / ".lockstep" / "log" / (Path(name).stem + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(paths.inventory()), name, *arguments]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=paths.CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # else a task's name comes with its first result, not when it starts
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1"},
        )
        assert process.stdout
        lines = []
        for line in process.stdout:
            file.write(line)
            file.flush()
            lines.append(line)
            task = TASK.match(line)
            if task and not show:
                say(f"{time.strftime('%H:%M:%S')}  {task[1]}")
        code = process.wait()
    if show:
        print("\n".join(said(lines)).strip("\n"), flush=True)
    elif code:
        print("\n".join(said(lines)[-40:]), file=sys.stderr)
        print(f"error: {name} failed ({code}); all it said is in {log.relative_to(paths.CHECKOUT)}", file=sys.stderr)
    return code


def ask_no_proxy(address: str) -> None:
    """Let child processes connect to an address without a proxy, which does not know this machine's networks."""
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    listed = [part for part in before.split(",") if part and part != address]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*listed, address])


def make_images_and_channel(podman: Podman, fleet: model.Fleet) -> Path:
    """Make images, channel and engine at the same time; return the channel's folder."""
    podman.prepare()
    # its result is read later: the fleet also comes up without an engine
    engine = subprocess.Popen(
        [sys.executable, "-m", "local.pulumi_engine", "ensure"], cwd=paths.CHECKOUT, stdout=subprocess.DEVNULL
    )
    with ThreadPoolExecutor(1) as pool:
        images = pool.submit(_images, podman, fleet)
        # a process of its own: it forks workers, which a process with threads must not
        code = subprocess.run([sys.executable, "-m", "local.fakes.channel"], cwd=paths.CHECKOUT, check=False).returncode
        images.result()
    engine.wait()
    if code:
        raise FleetError("there is no channel", "what failed is said above")
    return (paths.cache() / "channel" / "current").resolve()


def _images(podman: Podman, fleet: model.Fleet) -> None:
    with locked(podman):
        for suite in sorted({host.suite for host in fleet.hosts}):
            image.ensure(podman, suite, say)


def make_hosts(podman: Podman, fleet: model.Fleet, channel: Path) -> int:
    """Make the hosts of `pulumi up -s local`, or of the saved inventory; return how many were made or changed."""
    heading("pulumi up -s local, and a container host for each machine")
    local = stack.Stack("local", paths.CHECKOUT)
    try:
        with stack.cloud_errors():
            cloud = stack.provision(local, say)
            with locked(podman):
                made = reconcile.reconcile(podman, cloud, local.name, channel, say)
    except stack.NoEngine as error:
        say(f"no Pulumi engine can be had here: {error}")
        say(f"going on with the {len(fleet.hosts)} hosts of {SAVED.relative_to(paths.CHECKOUT)}, without Pulumi")
        with locked(podman):
            made = lifecycle.up(podman, fleet, channel, say)
    say(f"{made or 'no'} hosts made or changed")
    return made


def make_locks(channel: Path) -> int:
    """Lock dev from the specs when they or the channel changed; first locks go forward to test and prod as they are."""
    variables = (SAVED / "group_vars" / "all.yml").read_text()
    specs = paths.digest_of([p for p in (paths.HERE / "envs").iterdir() if p.suffix in (".yml", ".py")], variables)
    index = [channel / "local-forge" / subdir / "repodata.json" for subdir in ("linux-64", "noarch")]
    now = {"channel": paths.digest_of([p for p in index if p.exists()]), "specs": specs}
    stamp = LOCKS / "made-from.json"
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    names = sorted(p.stem for p in (paths.HERE / "envs").glob("*.yml"))
    whole = all(
        (LOCKS / tier / f"{name}.conda-lock.yml").exists() for tier in ("dev", "test", "prod") for name in names
    )
    if now == before and whole:
        return 0
    remade = before.get("channel") != now["channel"]
    heading(
        "locks: dev solved from local/envs"
        + (" anew, since the channel's packages are others" if before and remade else "")
    )
    if remade:
        shutil.rmtree(LOCKS, ignore_errors=True)  # no tier can hold packages that no longer exist
    code = playbook("playbooks/lock.yml", show=True)
    if code:
        return code
    for tier in ("test", "prod"):
        (LOCKS / tier).mkdir(parents=True, exist_ok=True)
        for lock in sorted((LOCKS / "dev").glob("*.conda-lock.yml")):
            if not (LOCKS / tier / lock.name).exists():
                env = lock.name.split(".")[0]
                shutil.copy(lock, LOCKS / tier / lock.name)
                say(f"{env}: {tier} had no lock; dev's was copied (later ones come by promotion)")
    write_if_changed(stamp, json.dumps(now) + "\n")
    return 0


def main() -> int:
    """Do what is missing, in order."""
    parser = argparse.ArgumentParser(prog="python -m local.up", description=__doc__)
    parser.add_argument("--only", choices=("artefacts", "hosts", "locks"), help="stop after this step")
    only = parser.parse_args().only
    started = time.monotonic()
    podman = Podman()
    fleet = model.load(SAVED)
    ask_no_proxy(fleet.channel_address)
    heading("images of the hosts, an offline channel with its installer, and the Pulumi engine")
    channel = make_images_and_channel(podman, fleet)
    if only == "artefacts":
        return 0
    made = make_hosts(podman, fleet, channel)
    if only == "hosts":
        return 0
    if code := make_locks(channel):
        return code
    if only == "locks":
        return 0
    if made == 0 and _audit("as it is") == 0:
        heading(f"nothing to do ({time.monotonic() - started:.0f} s)")
        return 0
    heading("site.yml: the fleet brought to its tiers' locks")
    if code := playbook("site.yml"):
        return code
    code = _audit("after site.yml")
    heading(f"{'done' if code == 0 else 'the audit found something'} after {time.monotonic() - started:.0f} s")
    return code


def _audit(why: str) -> int:
    heading(f"audit: {why}")
    return playbook("playbooks/audit.yml", show=True)


if __name__ == "__main__":
    sys.exit(reported(main))
