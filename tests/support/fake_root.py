"""A fleet's folder as a host would have it, made by hand in a few milliseconds, without conda."""

# ruff: noqa: PTH115, E501

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan, PlannedPackage
from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import inspection as miniconda
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.machine import see_host
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.notes import Notes
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import MANIFEST
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import MARKER
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import clean_schedule, condarc
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import (
    CleanSchedule,
    DesiredEnv,
    DesiredState,
    LockedEnv,
)

PACKAGES = [("numpy", "2.1.0", "py312_0"), ("python", "3.12.4", "h1_0"), ("six", "1.16.0", "pyh_0")]
RATTLER, WHEEL = "0.28.0", "e" * 64
SITE = "lib/python3.12/site-packages"


def sha(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def plan_of(packages: list[tuple[str, str, str]], platform: str = "linux-64", env: str = "train") -> InstallPlan:
    channel = "https://conda.anaconda.org/conda-forge"
    listed = [
        PlannedPackage(
            n,
            v,
            b,
            0,
            platform,
            f"{n}-{v}-{b}.conda",
            f"{channel}/{platform}/{n}-{v}-{b}.conda",
            "",
            sha(n + v + b),
            [],
        )
        for n, v, b in packages
    ]
    return InstallPlan(plans.LAYOUT, env, platform, "", listed, channel, [], {}, "", 0).identified()


def put(path: Path, text: str | bytes = "", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


def complete(tree: Path, env: str, plan: InstallPlan, content: str = "c" * 64) -> None:
    """Write manifest and completion marker of a tree as it is, and freeze its folders."""
    (tree / ".lockstep").mkdir(exist_ok=True)
    lines = {}
    for base, folders, names in os.walk(tree):
        for name in [*names, *(f for f in folders if Path(base, f).is_symlink())]:
            path = Path(base, name)
            relative = str(path.relative_to(tree))
            if relative in (MARKER, MANIFEST):
                continue
            status = path.lstat()
            if path.is_symlink():
                lines[relative] = f"l 0 0 {sha(os.readlink(path))} {relative}\n"
            else:
                lines[relative] = f"f {status.st_size} {status.st_mtime_ns} {sha(path.read_bytes())} {relative}\n"
    manifest = "".join(lines[path] for path in sorted(lines))
    put(tree / MANIFEST, manifest)
    body = json.dumps(
        {
            "layout": 1, "env": env, "platform": plan.platform, "digest": plan.digest, "content": content,
            "manifest": sha(manifest), "packages": len(plan.packages),
        }
    )  # fmt: skip
    put(tree / MARKER, f"{sha(body)}\n{body}")
    for base, _, _ in os.walk(tree):
        Path(base).chmod(0o555)


def thaw(tree: Path) -> None:
    for base, _, _ in os.walk(tree):
        Path(base).chmod(0o755)


class FakeRoot:
    """A root with a base and environments in perfect order, and what was declared for it."""

    def __init__(self, folder: Path, envs: tuple[str, ...] = ("train", "tools")) -> None:
        self.root, self.home = folder / "root", folder / "home"
        self.home.mkdir(parents=True)
        self.root.mkdir(mode=0o755)
        self.plans: dict[str, InstallPlan] = {}
        self.platform = see_host({}, Notes("stats", 1, 5, 1))["platform"]
        self.base()
        for env in envs:
            self.build(env, PACKAGES)
        self.rest()

    def tree(self, env: str) -> Path:
        return (self.root / "envs" / env).resolve()

    def build(
        self,
        env: str,
        packages: list[tuple[str, str, str]],
        publish: bool = True,
        content: str = "c" * 64,
        plan: InstallPlan | None = None,
    ) -> Path:
        plan = plan or plan_of(packages, self.platform, env)
        short = plan.generation
        tree = self.root / "generations" / env / short
        for name, version, build in packages:
            mine = [f"{SITE}/{name}/__init__.py", f"{SITE}/{name}-{version}.dist-info/METADATA"]
            put(tree / mine[0], f"version = {version!r}\n")
            put(tree / mine[1], f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n")
            record = {"name": name, "version": version, "build": build, "subdir": self.platform,
                      "sha256": sha(name + version + build), "files": mine}  # fmt: skip
            put(tree / f"conda-meta/{name}-{version}-{build}.json", json.dumps(record))
        put(tree / "bin/python3.12", b"\x7fELF not really", 0o755)
        (tree / "bin/python").symlink_to("python3.12")
        put(tree / "conda-meta/history", "==> lockstep <==\n")
        put(tree / "conda-meta/frozen", "{}\n")
        put(tree / "lib/python3.12/EXTERNALLY-MANAGED", "[externally-managed]\n")
        complete(tree, env, plan, content)
        put(tree.parent / f".{short}.inuse", "", 0o444)
        put(self.root / "state/locks" / env / f"{short}.json", json.dumps(plan.to_json()))
        if publish:
            self.plans[env] = plan
            self.publish(env, f"../generations/{env}/{short}")
        return tree

    def publish(self, env: str, target: str) -> None:
        (self.root / "envs").mkdir(exist_ok=True)
        link = self.root / "envs" / env
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def base(self) -> None:
        base = self.root / "miniconda"
        put(
            base / miniconda.BASE_MARKER,
            json.dumps({"version": "py312_26.5.3-1", "installer_sha256": "", "adopted": False}),
        )
        put(
            base / miniconda.BASELINE,
            "@EXPLICIT\nhttps://conda.anaconda.org/x/linux-64/conda-26.5.3-py312_0.conda#0123\n",
        )
        record = {"name": "conda", "files": [f"{SITE}/conda-26.5.3.dist-info/METADATA"]}
        put(base / "conda-meta/conda-26.5.3-py312_0.json", json.dumps(record))
        put(base / f"{SITE}/conda-26.5.3.dist-info/METADATA", "Name: conda\nVersion: 26.5.3\n")
        put(base / "conda-meta/frozen", miniconda.FROZEN)
        for name in ("conda", "python"):
            put(base / "bin" / name, "#!/bin/sh\n", 0o755)
        put(base / "lib/python3.12/EXTERNALLY-MANAGED", miniconda.MANAGED)
        self.condarc = condarc.render(str(self.root), ["conda-forge"], "https://conda.anaconda.org")
        put(base / ".condarc", self.condarc)

    def rattler(self, version: str, wheel: str) -> None:
        for name, text in ((".complete", wheel + "\n"), ("rattler/__init__.py", ""), ("rattler/rattler.abi3.so", "")):
            put(self.root / f"rattler/{version}" / name, text)

    def rest(self) -> None:
        self.rattler(RATTLER, WHEEL)
        put(self.root / "bin/lockstep-run", "#!/bin/sh\n", 0o755)
        units = clean_schedule.units(str(self.root), "sun", 3, 0, 120)
        self.units = {f".config/systemd/user/{name}": text for name, text in units.items()}
        for path, text in self.units.items():
            put(self.home / path, text)
        wants = self.home / ".config/systemd/user/timers.target.wants"
        wants.mkdir()
        (wants / clean_schedule.TIMER).symlink_to(f"../{clean_schedule.TIMER}")
        put(self.root / "state/clean.json", json.dumps([{"at": 1, "ok": True, "before_bytes": 2, "after_bytes": 1}]))

    def declared(self, **changes: Any) -> DesiredState:
        envs = {}
        for env, plan in self.plans.items():
            packages = tuple((p.name, p.version, p.build) for p in plan.packages)
            envs[env] = DesiredEnv(
                f"locks/prod/{env}.conda-lock.yml", {self.platform: LockedEnv(plan.digest, packages)}
            )
        whole = DesiredState(
            root=str(self.root), tier="prod", envs=envs, base_prefix=f"{self.root}/miniconda",
            base_version="py312_26.5.3-1",
            condarc=self.condarc, condarc_sha256=sha(self.condarc), rattler=RATTLER, rattler_wheels={self.platform: WHEEL},
            files={"bin/lockstep-run": (sha("#!/bin/sh\n"), 0o755)},
            clean=CleanSchedule(self.units, clean_schedule.TIMER, "0 3 * * 0 lockstep-clean"), system_requirements={"glibc": "2.17"},
        )  # fmt: skip
        return DesiredState(**{**whole.__dict__, **changes})
