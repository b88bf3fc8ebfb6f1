"""The observer and the comparison together: a host in order gives no drift, and what is planted is found and named."""

# ruff: noqa: PTH109, PTH114, PTH118, E501

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import inspection as miniconda
from ansible_collections.lockstep.fleet.plugins.module_utils.observe import commands, environments, machine
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import observe
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.notes import Notes
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.inspection import DEPTHS
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import MANIFEST
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import MARKER
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import observer_bundle
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.compare import compare
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import (
    DRIFT,
    NOTE,
    UNKNOWN,
    Drift,
    in_sync,
)
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import DesiredState

from tests.support.fake_root import PACKAGES, SITE, FakeRoot, plan_of, put, thaw
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

OLD = Path.home() / ".pyenv/versions/3.9.18/bin/python3.9"
LINGERS = os.path.lexists("/var/lib/systemd/linger/" + machine.user_name())


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoot]:
    for name in [name for name in os.environ if name.startswith("CONDA") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    made = FakeRoot(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    lexists = os.path.lexists
    monkeypatch.setattr(
        os.path, "lexists", lambda p: True if str(p).startswith("/var/lib/systemd/linger") else lexists(p)
    )
    yield made
    thaw(tmp_path)


def look(
    fleet: FakeRoot, declared: DesiredState | None = None, depth: str = "stats"
) -> tuple[list[Drift], dict[str, Any]]:
    declared = declared or fleet.declared()
    seen = json.loads(json.dumps(observe(desired_state.request(declared, depth))))
    return compare(declared, seen), seen


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_host_in_order_has_no_drift_at_any_depth(fleet: FakeRoot, depth: str) -> None:
    drifts, seen = look(fleet, depth=depth)
    assert drifts == []
    assert in_sync(drifts)
    assert seen["errors"] == []
    assert len(json.dumps(seen["envs"]["train"])) < 400
    if depth == "hashes":
        assert seen["envs"]["train"]["hashed"] == seen["envs"]["train"]["files"] - 1  # the link


def test_nothing_is_written_and_access_times_stay(fleet: FakeRoot) -> None:
    def stamps() -> dict[str, tuple[int, int, int]]:
        found = {}
        for base, folders, names in os.walk(fleet.root.parent):
            for name in [*folders, *names]:
                status = os.lstat(os.path.join(base, name))
                found[os.path.join(base, name)] = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        return found

    before = stamps()
    look(fleet, depth="hashes")
    assert stamps() == before


def add_file(tree: Path, path: str, text: str = "x") -> None:
    (tree / path).parent.chmod(0o755)
    put(tree / path, text)
    (tree / path).parent.chmod(0o555)


def remove_file(tree: Path, path: str) -> None:
    (tree / path).parent.chmod(0o755)
    (tree / path).unlink()
    (tree / path).parent.chmod(0o555)


def pip_install(tree: Path, name: str, version: str) -> None:
    thaw(tree)
    put(tree / SITE / name / "__init__.py", "import os\n")
    put(tree / SITE / f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n\n")
    for base, _, _ in os.walk(tree):
        Path(base).chmod(0o555)


def clobber(tree: Path) -> None:
    thaw(tree)
    shutil.rmtree(tree / SITE / "six-1.16.0.dist-info")
    pip_install(tree, "six", "1.17.0")


def edit_same_size(tree: Path) -> None:
    path = tree / SITE / "numpy/__init__.py"
    at = path.stat().st_mtime_ns + 10**9
    path.write_text(path.read_text().replace("2.1.0", "2.1.9"))
    os.utime(path, ns=(at, at))  # clocks of file systems are coarse: it may have been made in the same tick


def edit_unseen(tree: Path) -> None:
    """Same size, same time: only the deepest look can tell."""
    status = (tree / SITE / "numpy/__init__.py").stat()
    edit_same_size(tree)
    os.utime(tree / SITE / "numpy/__init__.py", ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(tree: Path) -> None:
    thaw(tree / "bin")
    (tree / "bin/python").unlink()
    (tree / "bin/python").symlink_to("/usr/bin/python3")
    (tree / "bin").chmod(0o555)


def forge_manifest(tree: Path) -> None:
    path = tree / MANIFEST
    path.write_text(path.read_text().replace("numpy", "numpi"))


def swap_record(tree: Path) -> None:
    path = tree / "conda-meta/six-1.16.0-pyh_0.json"
    path.write_text(path.read_text().replace("six", "sex"))


def copy_marker(fleet: FakeRoot, tree: Path) -> None:
    """A generation copied into the place of another, whole: every file agrees with the manifest."""
    from tests.support.fake_root import complete

    thaw(tree)
    complete(tree, "tools", plan_of([*PACKAGES, ("xz", "5.6.0", "0")], fleet.platform))


PLANTS: list[tuple[str, Callable[[FakeRoot, Path], Any], Kind, str, str]] = [
    ("a deleted file", lambda f, t: remove_file(t, f"{SITE}/numpy/__init__.py"), Kind.FILE_MISSING, "numpy-2.1.0", "train"),
    ("a longer file", lambda f, t: (t / f"{SITE}/numpy/__init__.py").write_text("evil = True\n" * 9), Kind.FILE_ALTERED,
     "bytes, not", "train"),
    ("an edit of the same size", lambda f, t: edit_same_size(t), Kind.FILE_ALTERED, "other contents", "train"),
    ("an added file", lambda f, t: add_file(t, f"{SITE}/sitecustomize.py"), Kind.FILE_EXTRA, "sitecustomize.py", "train"),
    ("pip install", lambda f, t: pip_install(t, "requests", "2.32.0"), Kind.PIP_INSTALLED, "requests 2.32.0", "train"),
    ("pip over conda", lambda f, t: clobber(t), Kind.CLOBBERED, "1.16.0 was replaced by pip's 1.17.0", "train"),
    ("pip beside conda", lambda f, t: pip_install(t, "Six", "1.17.0"), Kind.CLOBBERED, "pip's 1.17.0 lies over conda's 1.16.0",
     "train"),
    ("a deleted record", lambda f, t: remove_file(t, "conda-meta/six-1.16.0-pyh_0.json"), Kind.RECORD, "six-1.16.0",
     "train"),
    ("an edited record", lambda f, t: swap_record(t), Kind.RECORD, "six-1.16.0", "train"),
    ("a redirected link", lambda f, t: relink(t), Kind.FILE_ALTERED, "bin/python", "train"),
    ("a writable folder", lambda f, t: (t / SITE).chmod(0o775), Kind.FILE_MODE, "0775", "train"),
    ("a file others may write", lambda f, t: (t / SITE / "six/__init__.py").chmod(0o666), Kind.FILE_MODE, "0666", "train"),
    ("a missing frozen file", lambda f, t: remove_file(t, "conda-meta/frozen"), Kind.FILE_MISSING, "frozen", "train"),
    ("an altered manifest", lambda f, t: forge_manifest(t), Kind.MANIFEST, "checksum", "train"),
    ("an empty marker", lambda f, t: (t / MARKER).write_text(""), Kind.ENV_UNFINISHED, "never finished", "train"),
    ("an altered marker", lambda f, t: (t / MARKER).write_text((t / MARKER).read_text() + " "),
     Kind.ENV_UNFINISHED, "its own checksum", "train"),
    ("a marker of another", copy_marker, Kind.ENV_IDENTITY, "its completion marker is that of tools/", "train"),
    ("a dangling link", lambda f, t: f.publish("train", "../generations/train/0123456789ab"), Kind.ENV_LINK, "gone", "train"),
    ("a foreign link", lambda f, t: f.publish("train", "/usr"), Kind.ENV_LINK, "/usr", "train"),
    ("no link", lambda f, t: (f.root / "envs/train").unlink(), Kind.ENV_MISSING, "not installed", "train"),
    ("a folder for a link", lambda f, t: ((f.root / "envs/train").unlink(), (f.root / "envs/train").mkdir()),
     Kind.ENV_BLOCKED, "not a link", "train"),
    ("no in-use lock", lambda f, t: (t.parent / f".{t.name}.inuse").unlink(), Kind.IN_USE_LOCK, "in-use lock", "train"),
    ("a file that some may not read", lambda f, t: (t / SITE / "six/__init__.py").chmod(0o604), Kind.FILE_MODE, "0604",
     "train"),
    ("an in-use lock others may write", lambda f, t: (t.parent / f".{t.name}.inuse").chmod(0o666), Kind.IN_USE_LOCK, "0666", "train"),
    ("an in-use lock that is no file", lambda f, t: ((t.parent / f".{t.name}.inuse").unlink(),
                                              os.mkfifo(t.parent / f".{t.name}.inuse", 0o444)),
     Kind.IN_USE_LOCK, "is not a regular file", "train"),
    ("no plan", lambda f, t: (f.root / f"state/locks/train/{t.name}.json").unlink(), Kind.INSTALL_PLAN, "is missing", "train"),
    ("a plan of another", lambda f, t: put(f.root / f"state/locks/train/{t.name}.json", json.dumps(
        plan_of(PACKAGES[:2], f.platform).to_json())), Kind.INSTALL_PLAN, "it is that of", "train"),
    ("half a plan", lambda f, t: put(f.root / f"state/locks/train/{t.name}.json", "{"), Kind.INSTALL_PLAN, "plan", "train"),
    ("a condarc that some may not read", lambda f, t: (f.root / "miniconda/.condarc").chmod(0o604), Kind.CONDARC, "0604",
     "condarc"),
    ("a gutted rattler runtime", lambda f, t: (f.root / "rattler/0.28.0/rattler/rattler.abi3.so").unlink(), Kind.RATTLER,
     "missing or unfinished", "rattler"),
    ("a timer of another mode", lambda f, t: (f.home / ".config/systemd/user/lockstep-clean.timer").chmod(0o600),
     Kind.CLEAN_SCHEDULE, "lockstep-clean.timer has mode 0600, not 0644", "clean"),
    ("a folder of generations others may write", lambda f, t: t.parent.chmod(0o777), Kind.FOLDER_MODE,
     "generations/train: others", "host"),
    ("an edited condarc", lambda f, t: (f.root / "miniconda/.condarc").write_text(f.condarc + "channels: [defaults]\n"),
     Kind.CONDARC, "defaults", "condarc"),
    ("no condarc", lambda f, t: (f.root / "miniconda/.condarc").unlink(), Kind.CONDARC, "missing", "condarc"),
    ("a condarc beside ours", lambda f, t: put(f.root / "miniconda/condarc.d/x.yml", "channels: [evil]\n"),
     Kind.CONDARC_UNMANAGED, "x.yml sets channels", "condarc"),
    ("pip into the base", lambda f, t: pip_install(f.root / "miniconda", "evil", "1.0"), Kind.BASE_PACKAGES,
     "pip installed evil 1.0", "base"),
    ("conda into the base", lambda f, t: put(f.root / "miniconda/conda-meta/tmux-3.5-0.json", "{}"), Kind.BASE_PACKAGES,
     "tmux-3.5-0", "base"),
    ("no list of what the installer brought", lambda f, t: (f.root / "miniconda" / miniconda.BASELINE).unlink(), Kind.BASE_PACKAGES,
     "initial-state.explicit.txt is missing", "base"),
    ("a base that is not frozen", lambda f, t: (f.root / "miniconda/conda-meta/frozen").unlink(), Kind.BASE_NOT_FROZEN, "frozen", "base"),
    ("another base", lambda f, t: put(f.root / "miniconda" / miniconda.BASE_MARKER, '{"version": "py311_24.1.0-0"}'),
     Kind.BASE_VERSION, "py311_24.1.0-0", "base"),
    ("no base", lambda f, t: (f.root / "miniconda").rename(f.root / "gone"), Kind.BASE_MISSING, "is absent", "base"),
    ("no rattler runtime", lambda f, t: shutil.rmtree(f.root / "rattler"), Kind.RATTLER, "0.28.0", "rattler"),
    ("an edited program", lambda f, t: put(f.root / "bin/lockstep-run", "#!/bin/sh\nrm -rf /\n", 0o755), Kind.HOST_FILES,
     "bin/lockstep-run is altered", "rattler"),
    ("an edited timer", lambda f, t: put(f.home / ".config/systemd/user/lockstep-clean.timer", "[Timer]\n"),
     Kind.CLEAN_SCHEDULE, "lockstep-clean.timer is altered", "clean"),
    ("a disabled timer", lambda f, t: (f.home / ".config/systemd/user/timers.target.wants/lockstep-clean.timer").unlink(),
     Kind.CLEAN_SCHEDULE, "not enabled", "clean"),
    ("a root others may write", lambda f, t: f.root.chmod(0o777), Kind.FOLDER_MODE, "0777", "host"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "kind", "words", "subject"), [p[1:] for p in PLANTS], ids=[p[0] for p in PLANTS])
def test_planted_drift_is_found_and_named(
    fleet: FakeRoot, plant: Callable[..., Any], kind: Kind, words: str, subject: str
) -> None:
    plant(fleet, fleet.tree("train"))
    drifts, _ = look(fleet)
    fleet.root.chmod(0o755)
    named = [d for d in drifts if d.kind is kind and words in d.detail and d.subject == subject]
    assert named, [str(d) for d in drifts]
    assert named[0].severity == DRIFT
    assert {d.subject for d in drifts if d.severity == DRIFT} == {subject}, "only what was touched is blamed"


def test_only_the_deepest_look_sees_an_edit_that_kept_size_and_time(fleet: FakeRoot) -> None:
    edit_unseen(fleet.tree("train"))
    assert look(fleet)[0] == []
    drifts, _ = look(fleet, depth="hashes")
    assert [(d.kind, d.subject) for d in drifts] == [(Kind.FILE_ALTERED, "train")]


def test_the_quick_look_sees_packages_added_and_removed(fleet: FakeRoot) -> None:
    pip_install(fleet.tree("train"), "requests", "2.32.0")
    remove_file(fleet.tree("tools"), "conda-meta/six-1.16.0-pyh_0.json")
    drifts, _ = look(fleet, depth="names")
    assert {(d.kind, d.subject) for d in drifts} >= {(Kind.PIP_INSTALLED, "train"), (Kind.RECORD, "tools")}


def test_another_digest_names_the_packages_that_differ(fleet: FakeRoot) -> None:
    declared = fleet.declared()
    fleet.build("train", [("numpy", "2.0.0", "py312_0"), *PACKAGES[1:], ("zlib", "1.3", "0")])
    drifts, seen = look(fleet, declared)
    assert [d.kind for d in drifts] == [Kind.ENV_DIGEST]
    assert "numpy 2.0.0 instead of 2.1.0" in drifts[0].detail
    assert "zlib 1.3 is extra" in drifts[0].detail
    assert "is built and waits" in drifts[0].detail  # the declared one is still there, no longer published
    assert seen["envs"]["train"]["others"] == [declared.envs["train"].platforms[fleet.platform].digest[:12]]


def test_another_digest_names_the_wheels_that_differ(fleet: FakeRoot) -> None:
    declared = fleet.declared()
    file = "einops-0.8.1-py3-none-any.whl"
    wheel = plans.PlannedWheel("einops", "0.8.1", file, f"https://files/{file}", "e" * 64)
    plan = plan_of(PACKAGES, fleet.platform)._replace(pip=[wheel]).identified()
    tree = fleet.build("train", PACKAGES, plan=plan)
    (drift,), _ = look(fleet, declared)
    assert drift.kind is Kind.ENV_DIGEST and "einops 0.8.1 is extra" in drift.detail
    kept = fleet.root / "state/locks/train" / f"{tree.name}.json"
    kept.write_text(kept.read_text().replace("0.8.1", "0.8.2"))  # a plan that is not this generation's says nothing
    (drift, other), _ = look(fleet, declared)
    assert other.kind is Kind.INSTALL_PLAN
    assert "the same conda packages; wheels, variables or layout differ" in drift.detail


@pytest.mark.parametrize("part", ["bin", "bin/python", "conda-meta", "lib"])
def test_a_base_that_cannot_work_is_drift(fleet: FakeRoot, part: str) -> None:
    """With the words of the role, which refuses it: a person has to move it away."""
    base = fleet.root / "miniconda"
    (base / part).rename(fleet.home / "aside")
    drifts, _ = look(fleet)
    assert [d.kind for d in drifts if d.subject == "base"] == [Kind.BASE_BLOCKED] and not in_sync(drifts)
    assert "is damaged. Cause: " in drifts[0].detail and "is missing. Remedy: move it away" in drifts[0].detail
    assert miniconda.inspect(str(fleet.root), str(base)).state == "damaged"


def test_an_installation_that_was_cut_off_is_drift_where_it_was(fleet: FakeRoot) -> None:
    note = Path(miniconda.intent(str(fleet.root)))
    put(note, json.dumps({"action": "install", "prefix": str(fleet.root / "elsewhere")}))
    assert look(fleet)[0] == []
    put(note, json.dumps({"action": "update", "prefix": str(fleet.root / "miniconda")}))
    assert [d.kind for d in look(fleet)[0]] == [Kind.BASE_MISSING]
    assert miniconda.inspect(str(fleet.root), str(fleet.root / "miniconda")).state == "half-updated"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (None, False),
        ("", False),
        ("# {}\n", False),
        ("{} # mine\n", False),
        ("x\n{}\ny\n", True),
        ("{}\r\n", True),
        ("{}", True),
    ],
)
def test_the_line_of_a_shell_is_looked_for_as_the_role_does(fleet: FakeRoot, text: str | None, there: bool) -> None:
    """site.yml touches no host without drift: an unreported missing line would never be written."""
    role = yaml.safe_load((CHECKOUT / "roles/miniconda/tasks/main.yml").read_text())
    line = role[1]["ansible.builtin.lineinfile"]["line"].replace("{{ miniconda_prefix }}", f"{fleet.root}/miniconda")
    settings = {"lockstep_envs": [], "miniconda_prefix": f"{fleet.root}/miniconda", "miniconda_shell_line": "yes"}
    asked = desired_state.build(settings, "h", None).shell_line
    assert asked == line
    if text is not None:
        put(fleet.home / "dotfiles/bashrc", text.format(line))
        (fleet.home / ".bashrc").symlink_to("dotfiles/bashrc")
    drifts, _ = look(fleet, fleet.declared(shell_line=asked))
    assert [d.kind for d in drifts] == ([] if there else [Kind.SHELL_LINE])
    assert look(fleet)[0] == []


def test_a_machine_is_known_again_and_from_others(fleet: FakeRoot, tmp_path: Path) -> None:
    first, again = observe({"root": str(fleet.root)}), observe({"root": str(fleet.root)})
    other = observe({"root": str(tmp_path)})
    assert first["machine"] == again["machine"] != other["machine"]
    assert len(first["machine"]) == 32


def test_what_overrides_the_units_is_a_note(fleet: FakeRoot) -> None:
    put(fleet.home / ".config/systemd/user/lockstep-clean.timer.d/override.conf", "[Timer]\nOnCalendar=\n")
    drifts, _ = look(fleet)
    assert [(d.kind, d.severity) for d in drifts] == [(Kind.CLEAN_SCHEDULE, NOTE)]
    assert "lockstep-clean.timer.d/override.conf" in drifts[0].detail


def test_times_alone_are_no_drift(fleet: FakeRoot) -> None:
    """A machine image or a copy keeps contents, not nanoseconds."""
    for base, _, names in os.walk(fleet.tree("train")):
        for name in names:
            if not os.path.islink(os.path.join(base, name)):
                os.utime(os.path.join(base, name), (1_700_000_000, 1_700_000_000))
    drifts, seen = look(fleet)
    assert [(d.kind, d.severity) for d in drifts] == [(Kind.TOUCHED, NOTE)]
    assert in_sync(drifts)
    assert seen["envs"]["train"]["touched"] == seen["envs"]["train"]["files"] - 1


def test_records_that_are_not_the_plan_are_seen_at_the_deepest_look(fleet: FakeRoot) -> None:
    """All checksums are made again around another package: only the identity tells."""
    from tests.support.fake_root import complete

    tree = fleet.tree("train")
    thaw(tree)
    swap_record(tree)
    complete(tree, "train", fleet.plans["train"])
    assert look(fleet)[0] == []
    drifts, _ = look(fleet, depth="hashes")
    assert {d.kind for d in drifts} == {Kind.ENV_IDENTITY}
    assert any("sex" in d.detail for d in drifts)


def test_odd_files_are_named_and_never_opened(fleet: FakeRoot) -> None:
    tree = fleet.tree("train")
    thaw(tree / "bin")
    os.mkfifo(tree / "bin/pipe")
    here = os.getcwd()
    os.chdir(tree / "bin")  # a socket's path may have 107 characters
    socket.socket(socket.AF_UNIX).bind("sock")
    os.chdir(here)
    (tree / "bin/python3.12").unlink()
    os.mkfifo(tree / "bin/python3.12")
    (tree / "bin").chmod(0o555)
    (fleet.root / "miniconda/.condarc").unlink()
    os.mkfifo(fleet.root / "miniconda/.condarc")
    done: list[list[Drift]] = []
    thread = threading.Thread(target=lambda: done.append(look(fleet, depth="hashes")[0]), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert done, "the observer hangs on a pipe"
    kinds = {(d.kind, d.detail.split(" ")[0]) for d in done[0]}
    assert {
        (Kind.FILE_SPECIAL, "bin/pipe"),
        (Kind.FILE_SPECIAL, "bin/sock"),
        (Kind.FILE_ALTERED, "bin/python3.12"),
    } <= kinds
    assert any(d.severity == UNKNOWN and ".condarc" in d.detail for d in done[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_any_permission_is_drift(fleet: FakeRoot) -> None:
    (fleet.tree("train") / "lib").chmod(0)
    drifts, _ = look(fleet)
    (fleet.tree("train") / "lib").chmod(0o555)
    assert not in_sync(drifts)
    assert [d.kind for d in drifts if d.subject == "train"] == [Kind.FILE_MODE, Kind.FILE_UNREADABLE]


def test_a_folder_that_cannot_be_listed_is_drift_and_hides_no_file(
    fleet: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("/bin"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    drifts, _ = look(fleet)
    assert [(d.subject, d.kind, d.severity, d.observed) for d in drifts] == [
        (name, Kind.FILE_UNREADABLE, DRIFT, "bin") for name in ("train", "tools")
    ]
    assert not in_sync(drifts)


def test_a_look_that_takes_too_long_is_unknown(fleet: FakeRoot) -> None:
    declared = fleet.declared()
    seen = observe({**desired_state.request(declared), "seconds": 1e-9})
    drifts = compare(declared, seen)
    assert not in_sync(drifts)
    assert any("the time limit" in d.detail and d.severity == UNKNOWN for d in drifts)


def test_a_virgin_host_misses_everything(tmp_path: Path, fleet: FakeRoot) -> None:
    declared = fleet.declared(root=str(tmp_path / "nowhere"))
    drifts, _ = look(fleet, declared)
    assert [(d.kind, d.subject) for d in drifts] == [
        (Kind.ROOT_MISSING, "host"), (Kind.ENV_MISSING, "train"), (Kind.ENV_MISSING, "tools"),
    ]  # fmt: skip


def test_many_problems_are_counted_and_few_named(fleet: FakeRoot) -> None:
    tree = fleet.tree("train")
    thaw(tree)
    for number in range(3000):
        put(tree / f"share/junk/{number:04}", "")
    drifts, seen = look(fleet)
    extra = [d for d in drifts if d.kind is Kind.FILE_EXTRA]
    assert len(extra) == 6
    assert extra[-1].detail == "and 2995 more files do not belong"
    assert seen["envs"]["train"]["damage"]["by"]["file-extra"] == 3000
    assert len(json.dumps(seen)) < 12_000


def test_secrets_do_not_leave_the_host(fleet: FakeRoot) -> None:
    secret = "channels: [https://ann:hunter2@host/t/tk-0123/x, 'https://h/x?access_token=abc']\n"
    (fleet.root / "miniconda/.condarc").write_text(secret)
    thaw(fleet.tree("train"))
    put(fleet.tree("train") / SITE / "g-1.dist-info/METADATA", "Name: g\nVersion: 1\n\n")
    put(fleet.tree("train") / SITE / "g-1.dist-info/direct_url.json",
        json.dumps({"url": "https://bob:sesame@git/x", "vcs_info": {"vcs": "git"}}))  # fmt: skip
    drifts, seen = look(fleet)
    text = json.dumps(seen) + " ".join(str(d) for d in drifts)
    for word in ("hunter2", "tk-0123", "abc", "sesame"):
        assert word not in text
    assert any("git https://<credentials>@git/x" in d.detail for d in drifts)


def test_stray_configuration_after_ours_is_a_note(fleet: FakeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fleet.home / ".condarc", "channels: [bioconda]\n")
    monkeypatch.setenv("CONDA_CHANNELS", "defaults")
    drifts, _ = look(fleet)
    assert [(d.kind, d.severity) for d in drifts] == [(Kind.CONDARC_UNMANAGED, NOTE)] * 2
    assert in_sync(drifts)


def test_undeclared_environments_and_leftovers_are_notes(fleet: FakeRoot) -> None:
    fleet.build("old", PACKAGES)
    declared = fleet.declared()
    declared = fleet.declared(envs={name: env for name, env in declared.envs.items() if name != "old"})
    (fleet.root / "generations/train/.0123456789ab.new").mkdir()
    drifts, _ = look(fleet, declared)
    assert [(d.kind, d.subject, d.severity) for d in drifts] == [
        (Kind.UNDECLARED, "old", NOTE), (Kind.LEFTOVERS, "train", NOTE),
    ]  # fmt: skip


def test_a_swap_while_looking_is_no_drift(fleet: FakeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that collects the old generation under the observer: it looks again at what is live now."""
    declared = fleet.declared()
    new = [("numpy", "2.2.0", "py312_0"), *PACKAGES[1:]]
    old = fleet.tree("train")
    real, calls = environments.see_generation, []

    def swapped(root: str, env: str, name: str, digest: str | None, notes: Notes) -> dict[str, Any]:
        calls.append(name)
        if len(calls) == 1:
            fleet.build("train", new)
            thaw(old)
            shutil.rmtree(old / "bin")
        return real(root, env, name, digest, notes)

    monkeypatch.setattr(environments, "see_generation", swapped)
    request = desired_state.request(declared)
    request["envs"] = {"train": request["envs"]["train"]}
    seen = observe(request)
    assert len(calls) == 2
    assert "damage" not in seen["envs"]["train"]


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu", "x86_64"),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3", "x86_64_v2"),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", "x86_64_v3"),
        ("avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", "x86_64"),
    ],
)
def test_microarchitecture_levels(flags: str, level: str) -> None:
    assert machine.microarch("x86_64", f"processor: 0\nflags\t\t: {flags}\n") == level


def test_driver_is_read_from_proc(tmp_path: Path) -> None:
    put(tmp_path / "driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed Feb 26\n")
    put(tmp_path / "driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 5\n")
    found = machine.see_gpu({}, Notes("stats", 1, 10, 1), str(tmp_path))
    assert found["driver"] == "570.124.06"
    assert found["models"] == ["NVIDIA H100 80GB HBM3"]


def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "CHILD_SECONDS", 0.2)
    status, _, why = commands.run(["sleep", "60"], Notes("stats", 1, 10, 1))
    assert status == 124
    assert "did not answer" in why


@pytest.mark.parametrize(
    "python",
    [
        pytest.param(sys.executable, id="this-python"),
        pytest.param(str(OLD), id="python3.9", marks=pytest.mark.skipif(not OLD.exists(), reason="no Python 3.9 here")),
    ],
)
def test_piped_to_a_python_as_the_action_does(fleet: FakeRoot, python: str) -> None:
    declared = fleet.declared()
    source = observer_bundle.observer(json.dumps(desired_state.request(declared, "hashes")))
    done = subprocess.run([python, "-I", "-S", "-B", "-"], input=source, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    seen = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    drifts = [d for d in compare(declared, seen) if d.kind is not Kind.CLEAN_SCHEDULE or LINGERS]
    assert drifts == []
    assert seen["envs"]["train"]["hashed"]


def test_whatever_is_asked_the_answer_is_json() -> None:
    for text in ("", "[]", "{}", '{"root": 7}', '{"root": "/x", "depth": "deep", "envs": {"../x": null}}'):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-"],
            input=observer_bundle.observer(text),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert json.loads(done.stdout)["schema"] == 1
