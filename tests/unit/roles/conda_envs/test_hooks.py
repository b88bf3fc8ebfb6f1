"""Activation in bash, zsh, dash and fish, and lockstep-run: pinned to a generation, in use as long as anything runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.tiny_channel import make_channel, make_store
from tests.support.waiting import freed, held

FAST = build.Options(pip_check=False)
SHELLS = [shell for shell in ("bash", "zsh", "dash", "fish") if shutil.which(shell)]
POSIX = [shell for shell in SHELLS if shell != "fish"]


class Two:
    """Two generations of train, the first published; `swap` publishes the second."""

    def __init__(self, store: Store, old: str, new: str) -> None:
        self.store, self.old, self.new = store, old, new
        self.link = Path(store.envs, "train")
        self.run = str(Path(store.root, "bin/lockstep-run"))

    def swap(self) -> None:
        assert self.store.activate("train", self.new)["changed"]

    def collect(self) -> dict[str, list[str]]:
        return self.store.collect("train", keep_previous=0, min_age=0)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both generations, built once."""
    base = tmp_path_factory.mktemp("hooks")
    channel, store = make_channel(base / "channel"), make_store(base / "root")
    hook = b"false\nexport EXTRA=$CONDA_PREFIX:$WHAT ARGUMENTS=$#\n[[ -n $WHAT ]] && export BASHISM=yes\nset -- mine\n"
    brought = b'{"Brought": "a b", "PATH": "/none", "WHAT": "theirs", "gone": "***unset***", "no name": "x"}'
    channel.add("extra", "1.0", {
        "etc/conda/activate.d/zz-extra.sh": hook, "etc/conda/env_vars.d/extra.json": brought,
        "etc/conda/env_vars.d/broken.json": b"[", "etc/conda/env_vars.d/list.json": b"[1]",
    })  # fmt: skip
    for version in ("1.0", "2.0"):
        plan = channel.plan("train", "python", f"alpha={version}", "extra", variables={"WHAT": "it's $HOME"})
        build.stage(store, plan, FAST)
    return base / "root"


@pytest.fixture
def two(master: Path) -> Iterator[Two]:
    """The same root for every test, put back afterwards: generations hold their path."""
    store = Store(str(master), lock_timeout=10)
    kept = master.with_name("kept")
    if not kept.exists():
        subprocess.run(["cp", "-al", master / "generations", kept], check=True)
    names = {}
    for path in kept.glob("train/[0-9a-f]*"):
        names["1.0" if list(path.glob("conda-meta/alpha-1.0*")) else "2.0"] = path.name
    Path(store.state, "train.json").unlink(missing_ok=True)
    store.activate("train", names["1.0"])
    yield Two(store, names["1.0"], names["2.0"])
    for name in names.values():
        if not Path(store.path("train", name)).exists():
            subprocess.run(["cp", "-al", kept / "train" / name, store.path("train")], check=True)


def activate(shell: str, link: Path) -> str:
    """What conda does on activation, as far as the hooks are concerned."""
    if shell == "fish":
        return (f"set -gx CONDA_PREFIX {link}\nset PATH {link}/bin $PATH\n"
                f"source {link}/etc/conda/activate.d/00-lockstep.fish\n")  # fmt: skip
    return f"export CONDA_PREFIX={link} PATH={link}/bin:$PATH\n. {link}/etc/conda/activate.d/00-lockstep.sh\n"


def deactivate(shell: str, link: Path) -> str:
    suffix = "fish" if shell == "fish" else "sh"
    return f"{'source' if shell == 'fish' else '.'} {link}/etc/conda/deactivate.d/00-lockstep.{suffix}\n"


def pause(shell: str) -> str:
    return "read -l x\n" if shell == "fish" else "read x\n"


def start(shell: str, script: str) -> subprocess.Popen[str]:
    flags = {"bash": ["--norc"], "zsh": ["-f"], "dash": [], "fish": ["-N"]}[shell]
    child = subprocess.Popen(
        [shell, *flags, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/dev/null"}, start_new_session=True,
    )  # fmt: skip
    return child


VERSION = "python -c 'import alpha, sys; print(alpha.__version__, sys.prefix)'\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_activated_shell_keeps_its_generation_and_its_in_use_lock(two: Two, shell: str) -> None:
    script = (
        activate(shell, two.link) + "echo ready\n" + pause(shell) + VERSION + "echo $CONDA_PREFIX $PYTHONNOUSERSITE\n"
    )
    script += deactivate(shell, two.link) + 'echo "[$LOCKSTEP_GENERATION$PYTHONNOUSERSITE]"\n' + pause(shell) + ":\n"
    child = start(shell, script)
    assert child.stdin and child.stdout
    assert child.stdout.readline() == "ready\n"
    two.swap()
    assert two.collect() == {"removed": [], "in_use": [two.old]}
    child.stdin.write("go\n")
    child.stdin.flush()
    old = two.store.path("train", two.old)
    assert [child.stdout.readline() for _ in range(3)] == [f"1.0 {old}\n", f"{old} 1\n", "[]\n"]
    if shell == "fish":
        freed(two.store.in_use_lock("train", two.old))  # the holder has to die
    assert two.collect()["removed"] == [two.old]  # deactivated: the shell lives on, the in-use lock does not
    assert child.communicate("\n")[1] == ""


@pytest.mark.parametrize("shell", POSIX)
def test_job_that_outlives_its_shell_keeps_the_in_use_lock(two: Two, shell: str) -> None:
    child = start(shell, activate(shell, two.link) + "sleep 60 >/dev/null 2>&1 &\necho $!\n")
    assert child.stdout
    job = int(child.stdout.readline())
    child.wait()
    two.swap()
    assert two.collect()["in_use"] == [two.old]
    os.kill(job, 9)
    freed(two.store.in_use_lock("train", two.old))
    assert two.collect()["removed"] == [two.old]


def test_killed_fish_releases_its_in_use_lock(two: Two) -> None:
    if "fish" not in SHELLS:
        pytest.skip("no fish on this machine")
    child = start("fish", activate("fish", two.link) + "echo ready\nread -l x\n")
    assert child.stdout and child.stdout.readline() == "ready\n"
    two.swap()
    assert two.collect()["in_use"] == [two.old]
    child.kill()
    child.wait()
    freed(two.store.in_use_lock("train", two.old))
    assert two.collect()["removed"] == [two.old]


@pytest.mark.parametrize("options", ["", "set -eu\n", "set -o noclobber\n"])
@pytest.mark.parametrize("shell", POSIX)
def test_activation_works_in_strict_shells(two: Two, shell: str, options: str) -> None:
    script = options + activate(shell, two.link) + VERSION + deactivate(shell, two.link) + "echo end\n"
    out, err = start(shell, script).communicate()
    assert out.endswith("end\n") and out.startswith("1.0 ") and not err


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("before", ["", "mine"])
def test_stacked_activations_leave_nothing_behind(two: Two, shell: str, before: str) -> None:
    """`conda activate --stack` runs no deactivation hook of the environment below, and later activates that again."""
    below, above = (Path(two.store.path("train", name)) for name in (two.old, two.new))
    show = 'echo "[$PYTHONNOUSERSITE]"\n' + pause(shell)
    script = activate(shell, below) + activate(shell, above) + show
    script += deactivate(shell, above) + activate(shell, below) + show + deactivate(shell, below) + show
    if before:
        script = ("set -gx PYTHONNOUSERSITE mine\n" if shell == "fish" else "export PYTHONNOUSERSITE=mine\n") + script
    child = start(shell, script)
    assert child.stdin and child.stdout
    for value, in_use in (("1", {two.old, two.new}), ("1", {two.old}), (before, set())):
        assert child.stdout.readline() == f"[{value}]\n"
        for name in {two.old, two.new} - in_use:
            freed(two.store.in_use_lock("train", name))
        for name in in_use:
            assert subprocess.run(["flock", "-n", "-x", two.store.in_use_lock("train", name), "true"]).returncode
        child.stdin.write("go\n")
        child.stdin.flush()
    assert child.communicate()[1] == ""


def test_dash_does_not_use_an_open_descriptor(two: Two) -> None:
    script = "exec 9</dev/zero\n" + activate("dash", two.link) + "readlink /proc/$$/fd/9; echo $LOCKSTEP_FD\n"
    assert start("dash", script).communicate()[0] == "/dev/zero\n8\n"


@pytest.mark.parametrize("shell", POSIX)
def test_blocked_in_use_lock_is_a_warning(two: Two, shell: str) -> None:
    with held(two.store.in_use_lock("train", two.old), "-x"):
        out, err = start(shell, activate(shell, two.link) + VERSION).communicate()
    assert out.startswith("1.0 ") and "no in-use lock on" in err


class TestRun:
    def run(self, two: Two, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([two.run, *words], capture_output=True, text=True, env={}, cwd="/", **more)  # type: ignore[call-overload,no-any-return]

    def test_lockstep_run_needs_no_environment_variables(self, two: Two) -> None:
        done = self.run(
            two,
            "train",
            "python",
            "-c",
            "import alpha, os; print(alpha.__version__, os.environ['LOCKSTEP_GENERATION'])",
        )
        assert done.stdout == f"1.0 {two.store.path('train', two.old)}\n" and not done.stderr

    def test_lockstep_run_sets_variables_and_runs_hooks_of_packages(self, two: Two) -> None:
        done = self.run(two, "train", "sh", "-c", 'echo "$WHAT|$EXTRA|$BASHISM|$PYTHONNOUSERSITE|$CONDA_DEFAULT_ENV"')
        assert done.stdout == f"it's $HOME|{two.store.path('train', two.old)}:it's $HOME|yes|1|train\n", done

    def test_lockstep_run_sets_variables_of_packages(self, two: Two) -> None:
        """`conda activate` sets those of etc/conda/env_vars.d; the environment's own win."""
        done = self.run(two, "train", "sh", "-c", 'echo "$BROUGHT|$WHAT|${GONE-none}|$PATH"')
        bin_ = f"{two.store.path('train', two.old)}/bin:"
        assert done.stdout.startswith(f"a b|it's $HOME|none|{bin_}") and "/none" not in done.stdout, done

    @pytest.mark.parametrize("shell", ["", "dash"])
    def test_hooks_of_packages_neither_see_nor_change_the_command(self, two: Two, tmp_path: Path, shell: str) -> None:
        words = [two.run]
        if shell:  # where there is no bash
            copy = tmp_path / "lockstep-run"
            copy.write_text(Path(two.run).read_text().replace("/bin/bash", "/dev/null/bash"))
            words = [shell, str(copy)]
        command = ["train", "sh", "-c", 'echo "$ARGUMENTS|$1|$2"', "sh", "a b", "*"]
        done = subprocess.run(
            [*words, *command],
            capture_output=True,
            text=True,
            env={"LOCKSTEP_ROOT": two.store.root, "PATH": "/usr/bin:/bin"},
        )
        assert done.stdout == "0|a b|*\n", done.stderr

    def test_lockstep_run_keeps_the_in_use_lock_for_grandchildren(self, two: Two) -> None:
        done = self.run(two, "train", "sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!")
        two.swap()
        assert two.collect()["in_use"] == [two.old]
        os.kill(int(done.stdout), 9)
        freed(two.store.in_use_lock("train", two.old))
        assert two.collect()["removed"] == [two.old]

    def test_late_imports_come_from_the_first_generation(self, two: Two) -> None:
        code = "import sys; print(1, flush=True); sys.stdin.readline(); import alpha; print(alpha.__version__)"
        child = subprocess.Popen(
            [two.run, "train", "python", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout and child.stdout.readline() == "1\n"
        two.swap()
        assert child.communicate("\n")[0] == "1.0\n"

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [((), 64, "usage"), (("train",), 64, "usage"), (("absent", "true"), 69, "no environment absent"),
         (("../x", "true"), 64, "not an environment's name"), (("train", "sh", "-c", "exit 7"), 7, "")],
    )  # fmt: skip
    def test_lockstep_run_passes_exit_codes_on(self, two: Two, words: tuple[str, ...], code: int, says: str) -> None:
        done = self.run(two, *words)
        assert done.returncode == code and says in done.stderr

    def test_lockstep_run_refuses_an_incomplete_generation(self, two: Two) -> None:
        mark = Path(two.store.path("train", two.old), ".lockstep/complete")
        text = mark.read_text()
        mark.write_text("")
        try:
            assert self.run(two, "train", "true").returncode == 75
        finally:
            mark.write_text(text)
