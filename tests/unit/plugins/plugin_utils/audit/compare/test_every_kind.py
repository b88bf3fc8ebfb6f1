"""Every drift kind: planted, named by the audit, and then repaired by its role's code, or left with its manual step."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.lockstep.fleet.plugins.action import host_info
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build, rattler_runtime
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs, text_files
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan
from ansible_collections.lockstep.fleet.plugins.module_utils.host.root import need_root_folder
from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import inspection as miniconda
from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import install
from ansible_collections.lockstep.fleet.plugins.module_utils.observe import machine
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import observe
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import MANIFEST
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import MARKER
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import cross_host, hosts
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.compare import compare
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import Drift
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import ABOUT, Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import clean_schedule, desired_state
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import DesiredEnv, DesiredState, LockedEnv
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.settings import observation_file

from tests.support.damage import rewrite, thawed, to_link, to_pipe, vanish
from tests.support.fake_root import PACKAGES, FakeRoot, complete
from tests.support.paths import CHECKOUT
from tests.support.tiny_channel import SITE, Channel, Snapshot, make_channel, make_store

FAST = build.Options(pip_check=False, verify="hashes")
VERSION = "py312_26.5.3-1"
INSTALLER = """#!/bin/bash
set -eu
while getopts bup: o; do case $o in p) prefix=$OPTARG ;; esac; done
mkdir -p "$prefix/bin" "$prefix/conda-meta" "$prefix/lib/python3.12"
printf '#!/bin/sh\\n' > "$prefix/bin/conda"; chmod 755 "$prefix/bin/conda"; cp "$prefix/bin/conda" "$prefix/bin/python"
echo @EXPLICIT > "$prefix/conda-meta/initial-state.explicit.txt"
"""


@dataclass
class Subject:
    """What is inspected: a root, its desired state, and how it is inspected."""

    root: Path
    declared: DesiredState
    tmp: Path
    fleet: FakeRoot | None = None
    store: Store | None = None
    plan: InstallPlan | None = None
    channel: Channel | None = None

    @property
    def tree(self) -> Path:
        assert self.store and self.plan
        return Path(self.store.path("train", self.plan.digest[:12]))

    def drifts(self) -> list[Drift]:
        """The drift of this host at the deepest depth."""
        return compare(self.declared, json.loads(json.dumps(observe(desired_state.request(self.declared, "hashes")))))


@dataclass(frozen=True)
class Plant:
    """How a kind comes about, and for one that a role repairs what the role's code does."""

    plant: Callable[[Subject], Any]
    repair: Callable[[Subject], Any] | None = None
    environment: bool = False  # whether it takes a real environment


def replaced(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def rebuild(subject: Subject) -> None:
    """What the module conda_env does: inspect, plan actions, carry them out."""
    assert subject.store and subject.plan
    status = build.inspect(subject.store, subject.plan, "hashes")
    assert build.planned_actions(subject.store, subject.plan, status, publish=True)
    assert build.build(subject.store, subject.plan, FAST, status)["changed"]


def miniconda_role(subject: Subject) -> None:
    """What the module miniconda does."""
    prefix = str(subject.root / "miniconda")
    installer = subject.tmp / f"Miniconda3-{VERSION}-Linux-x86_64.sh"
    installer.write_text(INSTALLER)
    sha256 = hashlib.sha256(installer.read_bytes()).hexdigest()
    action = miniconda.decide(miniconda.inspect(str(subject.root), prefix), prefix, VERSION)
    assert install.apply(action, str(subject.root), prefix, VERSION, installer.as_uri(), sha256)


def rattler_role(subject: Subject) -> None:
    """What the module rattler does."""
    wheel = subject.tmp / "py_rattler.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        for name in ("rattler/__init__.py", "rattler/rattler.abi3.so"):
            out.writestr(name, "")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    subject.declared = replace(subject.declared, rattler_wheels=dict.fromkeys(subject.declared.rattler_wheels, sha256))
    wanted = rattler_runtime.Wanted(str(subject.root), "0.28.0", sha256, dict(subject.declared.files))
    missing = rattler_runtime.inspect(wanted)
    assert missing["rattler"] or missing["files"]
    rattler_runtime.apply(wanted, str(wheel), dict.fromkeys(wanted.files, "#!/bin/sh\n"))


def shell_line(subject: Subject) -> None:
    """What the role's task of ansible.builtin.lineinfile does."""
    task = yaml.safe_load((CHECKOUT / "roles/miniconda/tasks/main.yml").read_text())[1]["ansible.builtin.lineinfile"]
    line = task["line"].replace("{{ miniconda_prefix }}", subject.declared.base_prefix)
    replaced(Path(os.environ["HOME"], ".bashrc"), line + "\n")


def swap_marker(subject: Subject) -> None:
    """Make the generation one of another environment, consistent in itself."""
    assert subject.plan and subject.channel
    thawed(subject.tree / MARKER)
    complete(subject.tree, "other", subject.channel.plan("other", "beta"))


def pip_installs(subject: Subject, name: str = "requests", remove: str = "") -> None:
    folder = subject.tree / SITE
    thawed(folder / "x")
    for old in folder.glob(remove) if remove else ():
        vanish(old / "METADATA")
    replaced(folder / f"{name}-9.0.dist-info/METADATA", f"Name: {name}\nVersion: 9.0\n\n")


def publish_other(subject: Subject) -> None:
    assert subject.store and subject.channel
    build.build(subject.store, subject.channel.plan("train", "beta"), FAST)


def relink(subject: Subject, target: str) -> None:
    link = subject.root / "envs/train"
    link.unlink()
    link.symlink_to(target)


def blocked(subject: Subject) -> None:
    (subject.root / "envs/train").unlink()
    (subject.root / "envs/train").mkdir()


def base_marker(subject: Subject, version: str) -> None:
    replaced(subject.root / "miniconda" / miniconda.BASE_MARKER, json.dumps({"version": version}))


def add(subject: Subject, make: Callable[[Path], Any]) -> None:
    path = subject.tree / "share/added"
    thawed(path)
    make(path)


def environment(plant: Callable[[Subject], Any]) -> Plant:
    """Return a plant in a real environment, which the installer repairs."""
    return Plant(plant, rebuild, environment=True)


FILE = "share/beta/text"
TIMER = f".config/systemd/user/{clean_schedule.TIMER}"

PLANTS: dict[Kind, Plant] = {
    Kind.UNREADABLE: Plant(lambda s: to_pipe(s.root / "state/clean.json")),
    Kind.ROOT_MISSING: Plant(
        lambda s: setattr(s, "declared", replace(s.declared, root=str(s.tmp / "new"))),
        lambda s: need_root_folder(s.declared.root),
    ),
    Kind.ROOT_FILESYSTEM: Plant(lambda s: None),
    Kind.FOLDER_MODE: Plant(lambda s: s.root.chmod(0o777)),
    Kind.SYSTEM_REQUIREMENTS: Plant(
        lambda s: setattr(s, "declared", replace(s.declared, system_requirements={"glibc": "99.0"}))
    ),
    Kind.NOT_LOCKED: Plant(
        lambda s: setattr(s, "declared", replace(s.declared, envs={"train": DesiredEnv("l", error="no lock")}))
    ),
    Kind.ENV_MISSING: environment(lambda s: (s.root / "envs/train").unlink()),
    Kind.ENV_LINK: environment(lambda s: relink(s, "/usr")),
    Kind.ENV_BLOCKED: Plant(blocked, environment=True),
    Kind.ENV_DIGEST: environment(publish_other),
    Kind.ENV_UNFINISHED: environment(lambda s: (s.tree / MARKER).write_text("")),
    Kind.ENV_IDENTITY: environment(swap_marker),
    Kind.MANIFEST: environment(lambda s: (s.tree / MANIFEST).write_text("")),
    Kind.CLOBBERED: environment(lambda s: pip_installs(s, "alpha", "alpha-*.dist-info")),
    Kind.PIP_INSTALLED: environment(pip_installs),
    Kind.RECORD: environment(lambda s: vanish(next(s.tree.glob("conda-meta/beta-*.json")))),
    Kind.FILE_MISSING: environment(lambda s: vanish(s.tree / FILE)),
    Kind.FILE_ALTERED: environment(lambda s: rewrite(s.tree / FILE)),
    Kind.FILE_EXTRA: environment(lambda s: add(s, Path.touch)),
    Kind.FILE_SPECIAL: environment(lambda s: add(s, os.mkfifo)),
    Kind.FILE_MODE: environment(lambda s: (s.tree / FILE).chmod(0o666)),
    Kind.IN_USE_LOCK: environment(lambda s: to_link(Path(s.store.in_use_lock("train", s.tree.name)))),
    Kind.INSTALL_PLAN: environment(lambda s: Path(s.store.plan_file("train", s.tree.name)).write_text("{}")),
    Kind.BASE_MISSING: Plant(lambda s: shutil.rmtree(s.root / "miniconda"), miniconda_role),
    Kind.BASE_BLOCKED: Plant(lambda s: base_marker(s, "py312_99.1.0-1")),
    Kind.BASE_VERSION: Plant(lambda s: base_marker(s, "py311_24.1.0-0"), miniconda_role),
    Kind.BASE_NOT_FROZEN: Plant(lambda s: (s.root / "miniconda/conda-meta/frozen").unlink(), miniconda_role),
    Kind.BASE_PACKAGES: Plant(lambda s: replaced(s.root / "miniconda/conda-meta/tmux-3.5-0.json", "{}")),
    Kind.SHELL_LINE: Plant(
        lambda s: setattr(
            s, "declared", replace(s.declared, shell_line=f". {s.declared.base_prefix}/etc/profile.d/conda.sh")
        ),
        shell_line,
    ),
    Kind.CONDARC: Plant(
        lambda s: (s.root / "miniconda/.condarc").unlink(),
        lambda s: text_files.write(f"{s.declared.base_prefix}/.condarc", s.declared.condarc, 0o644),
    ),
    Kind.CONDARC_UNMANAGED: Plant(lambda s: replaced(s.root / "miniconda/condarc.d/x.yml", "channels: [evil]\n")),
    Kind.RATTLER: Plant(lambda s: (s.root / "rattler/0.28.0/rattler/rattler.abi3.so").unlink(), rattler_role),
    Kind.HOST_FILES: Plant(lambda s: replaced(s.root / "bin/lockstep-run", "#!/bin/sh\nrm -rf /\n"), rattler_role),
    Kind.CLEAN_SCHEDULE: Plant(
        lambda s: replaced(s.fleet.home / TIMER, "[Timer]\n"),
        lambda s: text_files.write(str(s.fleet.home / TIMER), s.declared.clean.units[TIMER], 0o644),
    ),
    Kind.CLEAN_FAILED: Plant(lambda s: replaced(s.root / "state/clean.json", '[{"ok": false, "message": "no"}]')),
    Kind.TOUCHED: Plant(lambda s: os.utime(s.fleet.tree("train") / "conda-meta/frozen", (1, 1))),
    Kind.UNDECLARED: Plant(lambda s: s.fleet.build("old", PACKAGES) and s.fleet.plans.pop("old")),
    Kind.LEFTOVERS: Plant(lambda s: (s.root / "generations/train/.0123456789ab.new").mkdir()),
}
"""The kinds that one host shows."""

ELSEWHERE = {
    Kind.FILE_OWNER, Kind.FILE_UNREADABLE,  # take another user, or a broken disk: planted below by what lstat says
    Kind.UNREACHABLE, Kind.NOT_OBSERVED, Kind.SETTINGS,  # take a connection or variables
    Kind.SAME_MACHINE, Kind.CONTENT,  # take several hosts
}  # fmt: skip
"""The kinds that have a test of their own below."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "run", lambda command, notes: (1, "", ""))
    for name in [name for name in os.environ if name.startswith("CONDA") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    lexists = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda p: str(p).startswith("/var/lib/systemd/linger") or lexists(p))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    fleet = FakeRoot(tmp_path / "fleet")
    monkeypatch.setenv("HOME", str(fleet.home))
    tool = "rattler/tools-0123456789ab/lockstep_host/__main__.py"
    replaced(fleet.root / tool, "#!/bin/sh\n")
    files = {**fleet.declared().files, tool: (hashlib.sha256(b"#!/bin/sh\n").hexdigest(), 0o644)}
    return Subject(fleet.root, fleet.declared(files=files), tmp_path, fleet)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Snapshot, Subject]]:
    base = tmp_path_factory.mktemp("kinds")
    channel, store = make_channel(base / "channel"), make_store(base / "root")
    plan = channel.plan("train", "python", "alpha", "beta")
    build.build(store, plan, FAST)
    locked = LockedEnv(plan.digest, tuple((p.name, p.version, p.build) for p in plan.packages))
    declared = DesiredState(store.root, "prod", {"train": DesiredEnv("lock", {"linux-64": locked})})
    yield Snapshot(Path(store.root)), Subject(Path(store.root), declared, base, None, store, plan, channel)
    fs.remove(str(base))


def test_no_kind_is_without_a_plant() -> None:
    assert set(PLANTS) | ELSEWHERE == set(Kind)
    assert not set(PLANTS) & ELSEWHERE
    for kind, plant in PLANTS.items():
        assert bool(ABOUT[kind].role) == (plant.repair is not None), kind


@pytest.mark.parametrize("kind", PLANTS, ids=lambda kind: kind.value)
def test_what_is_planted_is_named_and_repaired(
    kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = PLANTS[kind]
    if plant.environment:
        snapshot, subject = request.getfixturevalue("built")
        snapshot.restore()
    else:
        subject = request.getfixturevalue("fake")
    assert subject.drifts() == []
    plant.plant(subject)
    if kind is Kind.ROOT_FILESYSTEM:  # nothing that an ordinary user can plant
        real = os.statvfs
        readonly = os.ST_RDONLY
        monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real(path)[:8], readonly, 255)))
    named = [drift for drift in subject.drifts() if drift.kind is kind]
    assert named and all(drift.detail for drift in named), subject.drifts()
    about = ABOUT[kind]
    if plant.repair is None:
        assert not about.role and about.remedy and not about.remedy.startswith("Run site.yml")
    else:
        plant.repair(subject)
        assert [drift for drift in subject.drifts() if drift.kind is kind] == []
        if plant.environment:
            assert subject.drifts() == []
    if kind is Kind.ENV_BLOCKED:  # the role refuses, also in check mode
        status = build.inspect(subject.store, subject.plan)
        with pytest.raises(Problem, match="move it away"):
            build.planned_actions(subject.store, subject.plan, status, publish=True)
    if kind is Kind.BASE_BLOCKED:
        prefix = str(subject.root / "miniconda")
        with pytest.raises(Problem, match="declare the newer version"):
            miniconda.decide(miniconda.inspect(str(subject.root), prefix), prefix, VERSION)
    subject.root.chmod(0o755)


def elsewhere(path: Path) -> None:
    """Put a link to the same folder in its place."""
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("how", [to_pipe, elsewhere], ids=["pipe", "link"])
@pytest.mark.parametrize("path", ["envs", "generations/train", "state/train.lock", "state/locks/train"])
def test_what_has_the_place_of_ours_is_named_and_refused(
    path: str, how: Callable[[Path], Any], built: tuple[Snapshot, Subject]
) -> None:
    snapshot, subject = built
    snapshot.restore()
    how(subject.root / path)
    status = build.inspect(subject.store, subject.plan)
    if (path, how) == ("state/locks/train", elsewhere):  # a link to a folder serves there
        assert not subject.drifts() and not build.planned_actions(subject.store, subject.plan, status, True)
        return
    assert any(drift.kind is Kind.ENV_BLOCKED and path in drift.detail for drift in subject.drifts())
    with pytest.raises(Problem, match="move it away"):
        build.planned_actions(subject.store, subject.plan, status, publish=True)


LINKS = ("../generations/train//{}", "../generations/train/{}/", "{}", "train", "../generations/train/x", "caf\udce9")


@pytest.mark.parametrize("target", LINKS)
def test_check_mode_and_audit_agree_on_a_link(target: str, built: tuple[Snapshot, Subject]) -> None:
    snapshot, subject = built
    snapshot.restore()
    relink(subject, target.format(subject.tree.name))
    assert any(drift.kind is Kind.ENV_LINK for drift in subject.drifts())
    status = build.inspect(subject.store, subject.plan)
    assert build.planned_actions(subject.store, subject.plan, status, publish=True)
    rebuild(subject)
    assert subject.drifts() == []


@pytest.mark.parametrize("kind", [Kind.FILE_OWNER, Kind.FILE_UNREADABLE], ids=lambda kind: kind.value)
def test_what_takes_another_user_or_a_broken_disk(
    kind: Kind, built: tuple[Snapshot, Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, subject = built
    snapshot.restore()
    victim = subject.tree / FILE
    if kind is Kind.FILE_OWNER and os.geteuid() == 0:
        os.chown(victim, 12345, -1)
    elif kind is Kind.FILE_OWNER:
        pytest.skip("only root gives files away")
    else:
        real, inode = os.read, victim.stat().st_ino

        def broken(handle: int, size: int) -> bytes:
            if os.fstat(handle).st_ino == inode:
                raise OSError(5, "Input/output error")
            return real(handle, size)

        monkeypatch.setattr(os, "read", broken)
    (drift,) = [drift for drift in subject.drifts() if drift.kind is kind]
    assert drift.observed == FILE and ABOUT[kind].role == "conda_envs"
    status = build.inspect(subject.store, subject.plan, "hashes")
    assert build.planned_actions(subject.store, subject.plan, status, publish=True)
    monkeypatch.setattr(os, "read", os.read if kind is Kind.FILE_OWNER else real)
    vanish(Path(subject.store.pkgs, "beta-1.0-htiny_0"))  # the cache shares the file
    assert build.build(subject.store, subject.plan, FAST, status)["repaired"]
    assert subject.drifts() == []


def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: list[str], failure: Exception | None) -> list[Drift]:
    """Run the action for a host; return what it recorded."""
    settings = {"lockstep_envs": [], "lockstep_root": "/opt/lockstep", "lockstep_reports_dir": str(tmp_path)}
    monkeypatch.setattr(host_info, "settings_of", lambda plugin, variables: (settings, wrong))
    monkeypatch.setattr(host_info, "run_id", lambda plugin: "r1")
    action = object.__new__(host_info.ActionModule)

    def inspect(*_: Any) -> Any:
        raise failure or AssertionError("asked")

    monkeypatch.setattr(action, "_observe", inspect, raising=False)
    arguments = {"depth": "stats", "on_unknown": "record", "fail_on_drift": False, "reuse": "", "gpu": False,
                 "seconds": 5}  # fmt: skip
    try:
        action.act(arguments, {"inventory_hostname": "h"})
    except AnsibleConnectionFailure as error:
        assert error is failure
    return [Drift.from_json(item) for item in json.loads(observation_file(tmp_path, "h").read_text())["drift"]]


def test_an_unreachable_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drift,) = act(tmp_path, monkeypatch, [], AnsibleConnectionFailure("can be reached over ssh: timed out"))
    assert drift.kind is Kind.UNREACHABLE and "timed out" in drift.detail and not drift.role


def test_a_host_without_an_observation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drift,) = act(tmp_path, monkeypatch, [], ValueError("the observer gave no answer"))
    assert drift.kind is Kind.NOT_OBSERVED and not drift.role
    (host,) = hosts.load(tmp_path, ["absent"], "r1", observation_file)
    assert [drift.kind for drift in host.drifts] == [Kind.NOT_OBSERVED]


def test_settings_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drift,) = act(tmp_path, monkeypatch, ["lockstep_root: undefined"], None)
    assert drift.kind is Kind.SETTINGS and "lockstep_root" in drift.detail and not drift.role


def test_what_only_several_hosts_show() -> None:
    def host(name: str, machine: str, content: str) -> hosts.Host:
        env = {"train": {"digest": "d" * 64, "content": content * 64}}
        return hosts.Host(name, machine=machine, envs=env, platform="linux-64", root="/opt/lockstep")

    three = [host("a", "m1", "c"), host("b", "m1", "c"), host("c", "m2", "x")]
    cross_host.compare_hosts(three)
    kinds = {item.name: [drift.kind for drift in item.drifts] for item in three}
    assert kinds == {"a": [Kind.SAME_MACHINE], "b": [Kind.SAME_MACHINE], "c": [Kind.CONTENT]}
    assert not ABOUT[Kind.SAME_MACHINE].role and not ABOUT[Kind.CONTENT].role
