"""Audit and installer agree: for any damage, what the one reports is what the other would repair, and repairs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan
from ansible_collections.lockstep.fleet.plugins.module_utils.observe import machine
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import observe
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.inspection import DEPTHS
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import MANIFEST
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import MARKER
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.modules import conda_env
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.compare import compare
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import DRIFT
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import ABOUT
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import DesiredEnv, DesiredState, LockedEnv
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.damage import FILE_HARM, state_of, thawed, to_folder
from tests.support.fake_root import PACKAGES, FakeRoot, complete, plan_of
from tests.support.tiny_channel import Snapshot, make_channel, make_store

MODES = (0, 0o444, 0o555, 0o600, 0o644, 0o664, 0o666, 0o700, 0o755, 0o775, 0o777, 0o1755, 0o2755, 0o4755)
NAMES = ("sitecustomize.py", "x.pth", ".hidden", "with space", "caf\udce9", "new\nline")
Pair = tuple[str, str]


class Host:
    """A root with the environments train and tools, and what can be done to train."""

    def __init__(self, root: Path, plan: InstallPlan, other: InstallPlan) -> None:
        self.root, self.plan, self.other = root, plan, other
        self.store = Store(str(root))
        name = plan.digest[:12]
        self.place = self.store.place("train", name)
        self.tree = Path(self.place.tree)
        self.paths = sorted(str(path.relative_to(self.tree)) for path in self.tree.rglob("*"))
        self.files = [path for path in self.paths if not (self.tree / path).is_dir()]
        self.folders = [".", *(path for path in self.paths if (self.tree / path).is_dir())]
        locked = LockedEnv(plan.digest, tuple((p.name, p.version, p.build) for p in plan.packages))
        self.declared = DesiredState(str(root), "prod", {"train": DesiredEnv("lock", {plan.platform: locked})})

    def observed(self, depth: str) -> tuple[set[Pair], bool]:
        """What the observer names of train, and whether the audit calls it drift that a role repairs."""
        request = {**desired_state.request(self.declared, depth), "cap": 10**6}
        seen = json.loads(json.dumps(observe(request)))
        env = seen["envs"]["train"]
        assert "error" not in env, env
        drifts = [d for d in compare(self.declared, seen) if d.subject == "train" and d.severity == DRIFT]
        assert all(ABOUT[d.kind].role == "conda_envs" for d in drifts), drifts
        return {(item["kind"], item["path"]) for item in env.get("damage", {"shown": []})["shown"]}, bool(drifts)

    def installer(self, depth: str) -> tuple[set[Pair], bool]:
        """What the installer finds wrong with train, and whether check mode says that it would do something."""
        status = build.inspect(self.store, self.plan, depth)
        packed = base64.b64encode(
            zlib.compress(json.dumps({self.plan.platform: self.plan.to_json()}).encode())
        ).decode()
        asked = {"plans": packed, "name": "train", "state": "present", "verify": depth, "reserve_mb": 0}
        would = conda_env.ensure(asked, self.store, check_mode=True)
        found = {(item.kind.value, item.path[:400]) for item in [*status.damage, *status.beside]}
        return found, would["changed"]

    # -- damage ------------------------------------------------------------------------------------------------------

    def harm_file(self, path: str, how: str) -> None:
        full = self.tree / path
        if full.is_symlink() and how in ("append", "truncate", "rewrite", "touch"):
            how = "to_link"
        if not os.path.lexists(full):  # something before took it
            return
        if full.is_file() or how not in ("append", "truncate", "rewrite"):
            thawed(full)
            FILE_HARM[how](full)

    def chmod(self, path: str, mode: int) -> None:
        if os.path.lexists(self.tree / path) and not (self.tree / path).is_symlink():
            (self.tree / path).chmod(mode)

    def add(self, folder: str, name: str, how: str) -> None:
        path = self.tree / folder / name
        if (self.tree / folder).is_dir() and not os.path.lexists(path):
            thawed(path)
            {"file": path.touch, "link": lambda: path.symlink_to("x"), "folder": lambda: to_folder(path),
             "pipe": lambda: os.mkfifo(path)}[how]()  # fmt: skip

    def harm_beside(self, what: str, how: str) -> None:
        path = Path(self.place.in_use_lock if what == "lock" else self.place.plan_file)
        if how in ("vanish", "to_link", "to_folder", "to_pipe"):
            FILE_HARM[how](path)
        elif path.is_file() and not path.is_symlink():
            path.chmod(0o666)
            if how == "other":
                path.write_text(json.dumps(self.other.to_json()))
            elif how != "mode":
                FILE_HARM[how](path)

    def forge(self, how: str) -> None:
        """Make marker and manifest fit to each other again, around something that is not the plan's."""
        thawed(self.tree / "bin")
        if how == "marker of another":
            complete(self.tree, "tools", self.other)
        elif how == "digest of another":
            complete(self.tree, "train", self.other)
        elif how == "records":
            record = next(path for path in sorted(self.tree.glob("conda-meta/*.json")) if path.is_file())
            record.write_text(json.dumps({**json.loads(record.read_text()), "version": "9.9"}))
            complete(self.tree, "train", self.plan)
        else:  # swapped with another environment's generation
            there = self.root / "generations/tools" / self.other.digest[:12]
            fs.exchange(str(self.tree), str(there))


FILE = st.tuples(st.just("harm_file"), st.integers(0, 99), st.sampled_from(sorted(FILE_HARM)))
MARK = st.tuples(st.just("harm_file"), st.sampled_from([MARKER, MANIFEST]), st.sampled_from(sorted(FILE_HARM)))
CHMOD = st.tuples(st.just("chmod"), st.integers(0, 99), st.sampled_from(MODES))
ADD = st.tuples(
    st.just("add"),
    st.integers(0, 99),
    st.sampled_from(NAMES),
    st.sampled_from(["file", "link", "folder", "pipe"]),
)
BESIDE = st.tuples(
    st.just("harm_beside"),
    st.sampled_from(["lock", "plan"]),
    st.sampled_from(["vanish", "to_link", "to_folder", "to_pipe", "append", "truncate", "other", "mode"]),
)
FORGE = st.tuples(st.just("forge"), st.sampled_from(["marker of another", "digest of another", "records", "swapped"]))
HARM = st.one_of(FILE, MARK, CHMOD, ADD, BESIDE)


def do(host: Host, harm: tuple[Any, ...]) -> None:
    what, *rest = harm
    pools = {"harm_file": host.files, "chmod": host.paths, "add": host.folders}
    if isinstance(rest[0], int):
        rest[0] = pools[what][rest[0] % len(pools[what])]
    getattr(host, what)(*rest)


@pytest.fixture(autouse=True, scope="module")
def no_children() -> Iterator[None]:
    """The machine does not matter here, and asking it starts processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "run", lambda command, notes: (1, "", ""))
        yield


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Callable[[], Host]]]:
    base = tmp_path_factory.mktemp("agreement")
    fleet = FakeRoot(base)
    other = plan_of([*PACKAGES, ("xz", "5.6.0", "0")], fleet.platform, "tools")
    fleet.build("tools", PACKAGES, plan=other)
    kept = base / "kept"
    shutil.copytree(fleet.root, kept, symlinks=True)

    def restored() -> Host:
        fs.remove(str(fleet.root))
        shutil.copytree(kept, fleet.root, symlinks=True)
        return Host(fleet.root, fleet.plans["train"], other)

    yield base, restored
    fs.remove(str(base))


MANY = settings(
    max_examples=150, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@MANY
@given(forged=st.one_of(st.just(()), FORGE), harms=st.lists(HARM, max_size=4), depth=st.sampled_from(DEPTHS))
def test_observer_and_installer_name_the_same(
    fake: tuple[Path, Callable[[], Host]], forged: tuple[Any, ...], harms: list[tuple[Any, ...]], depth: str
) -> None:
    host = fake[1]()
    before = state_of(host.tree)
    if forged:
        do(host, forged)
    for harm in harms:
        do(host, harm)
    named, drift = host.observed(depth)
    found, would_act = host.installer(depth)
    assert named == found
    assert drift == would_act == bool(found)
    if depth == "hashes" and not forged:  # read in the plainest way: nothing is overlooked, nothing is invented
        now = state_of(host.tree)
        # an added folder is no difference by itself; what is in it is
        differs = {
            p
            for p in before | now
            if before.get(p) != now.get(p) and not (p not in before and (host.tree / p).is_dir())
        }
        inside = {path for kind, path in found if kind not in ("in-use-lock", "install-plan")}
        assert bool(differs) == bool(inside), (differs, inside)
        if not inside & {MARKER, MANIFEST}:
            assert differs == inside


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Host]]:
    """Environments built by the installer, so that it can repair them."""
    base = tmp_path_factory.mktemp("repair")
    channel, store = make_channel(base / "channel"), make_store(base / "root")
    plan, other = channel.plan("train", "beta", "gamma"), channel.plan("tools", "beta")
    for made in (plan, other):
        build.build(store, made, FAST)
    snapshot = Snapshot(Path(store.root))

    def restored() -> Host:
        snapshot.restore()
        host = Host(Path(store.root), plan, other)
        host.store = store
        return host

    yield restored
    fs.remove(str(base))


STATE = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to("victim"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a huge number": lambda path: path.write_text(f'[["x", 1{"0" * 400}]]'),
    "other JSON": lambda path: path.write_text("[[1, 2, 3]]"),
}


@pytest.mark.parametrize("name", ["train.json", "train.json.tmp", "locks/train/{}.json", "locks/train/{}.json.tmp"])
@pytest.mark.parametrize("how", STATE)
def test_whatever_a_file_of_the_state_is_it_neither_stops_nor_misleads_a_run(
    real: Callable[[], Host], name: str, how: str
) -> None:
    host = real()
    path, plan = host.root / "state" / name.format(host.tree.name), Path(host.place.plan_file)
    victim = path.parent / "victim"
    victim.write_text("precious")
    if name.endswith(".tmp"):
        plan.unlink()
        (host.root / "state/train.json").unlink()
    if os.path.lexists(path):
        path.unlink()
    STATE[how](path)
    drift = host.observed("stats")[1]
    assert drift == host.installer("stats")[1] == ("locks" in name or name.endswith(".tmp"))
    assert build.build(host.store, host.plan, FAST)["changed"] == drift
    assert (host.observed("stats"), host.installer("stats")) == ((set(), False), (set(), False))
    assert victim.read_text() == "precious"


FAST = build.Options(pip_check=False)
FEW = settings(MANY, max_examples=10, phases=[Phase.generate])  # each builds


@FEW
@given(forged=st.one_of(st.just(()), FORGE), harms=st.lists(HARM, min_size=1, max_size=6))
def test_nothing_is_left_after_a_repair(
    real: Callable[[], Host], forged: tuple[Any, ...], harms: list[tuple[Any, ...]]
) -> None:
    host = real()
    whole = state_of(host.tree)
    if forged:
        do(host, forged)
    for harm in harms:
        do(host, harm)
    named, _ = host.observed("hashes")
    result = build.build(host.store, host.plan, FAST._replace(verify="hashes"))
    assert result["changed"] == bool(named)
    assert host.observed("hashes") == (set(), False)
    assert host.installer("hashes") == (set(), False)
    now = state_of(host.tree)
    for path in (MARKER, MANIFEST):  # these hold the times of the new files
        del whole[path], now[path]
    assert now == whole
