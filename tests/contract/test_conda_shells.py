"""Activation as shells see it: bash, zsh, dash and fish, with the scripts of packages and those of the fleet."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.subjects import CHECKOUT, Conda, make_environment

POSIX = ("bash", "zsh", "dash")
SHELLS = (*POSIX, "fish")
FLAGS = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "dash": [], "fish": ["--no-config"]}
SHOW = 'echo "$CONDA_SHLVL|$CONDA_PREFIX|$CONDA_DEFAULT_ENV|$CONDA_PROMPT_MODIFIER"'


class Shell:
    """One shell that knows conda by its hook, as after `conda init`."""

    def __init__(self, name: str, conda: Conda) -> None:
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed here")
        self.name, self.conda = name, conda

    @property
    def hook(self) -> str:
        if self.name == "fish":
            return f"eval {self.conda.exe} shell.fish hook | source"
        return f"eval \"$('{self.conda.exe}' shell.{self.name} hook)\""

    def run(self, *lines: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.name, *FLAGS[self.name], "-c", "\n".join([self.hook, *lines])],
            env=self.conda.environ(**variables),
            cwd=self.conda.home,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def lines(self, *lines: str, **variables: str) -> list[str]:
        done = self.run(*lines, **variables)
        assert done.returncode == 0, f"{self.name}: {done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, user: Conda) -> Shell:
    return Shell(request.param, user)


@pytest.fixture
def envs(user: Conda) -> tuple[Path, Path]:
    """Two environments, each with scripts that say when they run, and one with variables of its own."""
    found = []
    for name in ("one", "two"):
        prefix = make_environment(user.home / "envs" / name)
        (prefix / "bin").mkdir()
        for folder in ("activate.d", "deactivate.d"):
            scripts = prefix / "etc" / "conda" / folder
            scripts.mkdir(parents=True)
            for order in ("10-a", "20-b"):
                text = f'echo "{folder} {name} {order} $CONDA_SHLVL"\n'
                (scripts / f"{order}.sh").write_text(text)
                (scripts / f"{order}.fish").write_text(text)
                (scripts / f"{order}.bat").write_text("not for us\n")
        found.append(prefix)
    (found[0] / "conda-meta" / "state").write_text('{"version": 1, "env_vars": {"FLEET": "one", "MODE": "fast"}}')
    return found[0], found[1]


def test_activate_and_deactivate(shell: Shell, envs: tuple[Path, Path]) -> None:
    one, _ = envs
    lines = shell.lines("conda activate one", SHOW, "conda deactivate", 'echo "$CONDA_SHLVL|$CONDA_PREFIX"')
    assert lines == [
        "activate.d one 10-a 1",
        "activate.d one 20-b 1",
        f"1|{one}|one|(one) ",
        "deactivate.d one 20-b 1",
        "deactivate.d one 10-a 1",
        "0|",
    ]


def test_path(shell: Shell, envs: tuple[Path, Path]) -> None:
    show = "string join : $PATH" if shell.name == "fish" else 'echo "$PATH"'
    start, inside, after = shell.lines(show, "conda activate one >/dev/null", show, "conda deactivate >/dev/null", show)
    assert start.split(":")[0] == f"{shell.conda.root}/condabin"
    assert inside == f"{envs[0]}/bin:{start}" and after == start


def test_by_path_and_the_active_one_again(shell: Shell, envs: tuple[Path, Path]) -> None:
    lines = shell.lines(f"conda activate {envs[0]}", "conda activate one", SHOW)
    assert lines == [
        "activate.d one 10-a 1",
        "activate.d one 20-b 1",
        "deactivate.d one 20-b 1",
        "deactivate.d one 10-a 1",
        "activate.d one 10-a 1",
        "activate.d one 20-b 1",
        f"1|{envs[0]}|one|(one) ",
    ]


def test_one_replaces_the_other_and_comes_back(shell: Shell, envs: tuple[Path, Path]) -> None:
    one, two = envs
    show = "string join : $PATH" if shell.name == "fish" else 'echo "$PATH"'
    lines = shell.lines("conda activate one", "conda activate two", SHOW, show, "conda deactivate", SHOW, show)
    assert lines[2:6] == [
        "deactivate.d one 20-b 1",
        "deactivate.d one 10-a 1",
        "activate.d two 10-a 2",
        "activate.d two 20-b 2",
    ]
    assert lines[6] == f"2|{two}|two|(two) " and f"{two}/bin" in lines[7] and f"{one}/bin" not in lines[7]
    assert lines[8:12] == [
        "deactivate.d two 20-b 2",
        "deactivate.d two 10-a 2",
        "activate.d one 10-a 1",
        "activate.d one 20-b 1",
    ]
    assert lines[12] == f"1|{one}|one|(one) " and f"{one}/bin" in lines[13] and f"{two}/bin" not in lines[13]


def test_stack(shell: Shell, envs: tuple[Path, Path]) -> None:
    one, two = envs
    show = "string join : $PATH" if shell.name == "fish" else 'echo "$PATH"'
    lines = shell.lines("conda activate one", "conda activate --stack two", SHOW, show, "conda deactivate", SHOW, show)
    assert lines[4] == f"2|{two}|two|(two) " and lines[5].startswith(f"{two}/bin:{one}/bin:")
    assert lines[-2] == f"1|{one}|one|(one) " and lines[-1].startswith(f"{one}/bin:")


def test_variables_of_an_environment(shell: Shell, envs: tuple[Path, Path]) -> None:
    show = 'echo "$FLEET|$MODE|$KEPT"'
    quiet = " >/dev/null"
    lines = shell.lines(
        f"conda activate one{quiet}",
        show,
        f"conda activate two{quiet}",
        show,
        f"conda deactivate{quiet}",
        show,
        f"conda deactivate{quiet}",
        show,
        MODE="slow",
        KEPT="yes",
    )
    assert lines == ["one|fast|yes", "one|fast|yes", "one|fast|yes", "|slow|yes"]
    assert "overwriting variable ['MODE']" in shell.run("conda activate one", MODE="slow").stderr


def test_variables_of_packages(shell: Shell, envs: tuple[Path, Path]) -> None:
    folder = envs[1] / "etc" / "conda" / "env_vars.d"
    folder.mkdir()
    (folder / "p.json").write_text('{"FROM_PACKAGE": "a b", "PATH": "no"}')
    done = shell.run("conda activate two >/dev/null", 'echo "$FROM_PACKAGE"', "command -v sh")
    assert done.stdout.splitlines()[0] == "a b" and done.stdout.splitlines()[1].endswith("/sh")
    assert "reserved" in done.stderr


def test_errors_change_nothing(shell: Shell) -> None:
    done = shell.run(
        "conda activate nobody", 'echo "still $CONDA_SHLVL"', "conda deactivate", 'echo "and $CONDA_SHLVL"'
    )
    assert "EnvironmentNameNotFound: Could not find conda environment: nobody" in done.stderr
    assert done.stdout.splitlines() == ["still 0", "and 0"]
    assert "EnvironmentLocationNotFound" in shell.run("conda activate ./nowhere").stderr
    assert (
        shell.run("conda activate one two").returncode != 0
        or "does not accept" in shell.run("conda activate a b").stderr
    )


def test_the_function_passes_everything_else_on(shell: Shell) -> None:
    assert shell.lines("conda --version")[0].startswith("conda ")
    assert shell.lines("conda info --base") == [str(shell.conda.root)]
    assert shell.run("conda clean").returncode == 2


def test_base_and_automatic_activation(shell: Shell) -> None:
    base = f"1|{shell.conda.root}|base|(base) "
    assert shell.lines("conda activate", SHOW)[-1] == base
    assert shell.lines(SHOW) == ["0|||"]
    shell.conda.rc.write_text(shell.conda.rc.read_text().replace("auto_activate: false", "auto_activate: true"))
    assert shell.lines(SHOW) == [base]


def test_prompt(shell: Shell, envs: tuple[Path, Path]) -> None:
    if shell.name == "fish":
        return fish_prompt(shell)
    lines = shell.lines(
        "PS1='$ '",
        "conda activate one >/dev/null",
        'echo "$PS1"',
        "conda activate two >/dev/null",
        'echo "$PS1"',
        "conda deactivate >/dev/null",
        "conda deactivate >/dev/null",
        'echo "$PS1"',
    )
    assert lines == ["(one) $ ", "(two) $ ", "$ "]
    shell.conda.rc.write_text(shell.conda.rc.read_text() + "env_prompt: '[{name}:{stacked_env}] '\n")
    assert shell.lines("PS1='it'\\''s '", "conda activate one >/dev/null", 'echo "$PS1"') == ["[one:one] it's "]
    shell.conda.rc.write_text(shell.conda.rc.read_text() + "changeps1: false\n")
    assert shell.lines("PS1='$ '", "conda activate one >/dev/null", 'echo "$PS1"') == ["$ "]


def fish_prompt(shell: Shell) -> None:
    """The prompt is a function there: the name stands at the right, or at the left for those who want it."""
    plain = "function fish_prompt; echo 'P>'; end"
    show = ["fish_prompt", "fish_right_prompt", "echo"]

    lines = shell.lines(plain, "conda activate one >/dev/null", *show)
    assert [line.strip() for line in lines[-2:]] == ["P>", "(one)"]
    text = "\n".join([plain, shell.hook, "set -g CONDA_LEFT_PROMPT 1", "conda activate one >/dev/null", *show])
    command = [shell.name, *FLAGS["fish"], "-c", text]
    done = subprocess.run(command, env=shell.conda.environ(), capture_output=True, text=True, timeout=60)
    assert [line.strip() for line in done.stdout.splitlines()] == ["(one) P>", ""], done.stderr


def test_the_files_of_the_package(shell: Shell, envs: tuple[Path, Path]) -> None:
    """The one line that people put into their shell files, and `source bin/activate`."""
    root = shell.conda.root
    if shell.name == "fish":
        text = f"source {root}/etc/fish/conf.d/conda.fish\nconda activate one\n{SHOW}"
    else:
        text = f". {root}/etc/profile.d/conda.sh\nconda activate one\n{SHOW}"
    command = [shell.name, *FLAGS[shell.name], "-c", text]
    done = subprocess.run(command, env=shell.conda.environ(), capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"1|{envs[0]}|one|(one) ", done.stderr
    if shell.name in ("bash", "zsh"):
        text = f"source {root}/bin/activate one\n{SHOW}"
        command = [shell.name, *FLAGS[shell.name], "-c", text]
        done = subprocess.run(command, env=shell.conda.environ(), capture_output=True, text=True, timeout=60)
        assert done.stdout.splitlines()[-1] == f"1|{envs[0]}|one|(one) ", done.stderr


@pytest.mark.parametrize("name", POSIX)
def test_strict_shells(user: Conda, envs: tuple[Path, Path], name: str) -> None:
    """`set -eu` in scripts of users."""
    shell = Shell(name, user)
    lines = shell.lines("set -eu", "conda activate one", "conda deactivate", "echo end")
    assert lines[-1] == "end"


def test_json_for_tools(user: Conda, envs: tuple[Path, Path]) -> None:
    found = json.loads(user.ok("shell.posix+json", "activate", "one"))
    assert found["path"]["PATH"][0] == f"{envs[0]}/bin"
    assert found["vars"]["export"]["CONDA_PREFIX"] == str(envs[0])
    assert found["vars"]["export"]["FLEET"] == "one"
    assert found["scripts"]["activate"] == [f"{envs[0]}/etc/conda/activate.d/{n}.sh" for n in ("10-a", "20-b")]
    assert found["scripts"]["deactivate"] == []


def test_wrong_words(user: Conda) -> None:
    assert user("shell.posix", "nonsense").returncode != 0
    assert user("shell.nonsense", "activate").returncode != 0
    assert user("shell.posix", "activate", "--stack", "--no-stack", "base").returncode != 0


# with the fleet's own scripts


def lockstep_hooks() -> Path | None:
    """The folder that holds the scripts which a generation gets, wherever they live now."""
    for script in sorted(CHECKOUT.glob("*/**/activate.d/*lockstep.sh")):
        if ".lockstep" not in script.relative_to(CHECKOUT).parts and ".venv" not in script.parts:
            return script.parent.parent
    return None


@pytest.fixture
def generation(user: Conda) -> Path:
    """A published generation: a link in envs_dirs, the tree behind it, and the in-use lock beside that."""
    hooks = lockstep_hooks()
    if hooks is None:
        pytest.skip("the fleet's activation scripts are not in this checkout")
    real = make_environment(user.home / "generations" / "train" / "0123456789ab")
    (real / "bin").mkdir()
    for folder in ("activate.d", "deactivate.d"):
        shutil.copytree(hooks / folder, real / "etc" / "conda" / folder)
    (real / ".lockstep").mkdir()
    (real / ".lockstep" / "complete").write_text("x\n")
    (real.parent / f".{real.name}.inuse").touch()
    (user.home / "envs").mkdir(exist_ok=True)
    (user.home / "envs" / "train").symlink_to(f"../generations/train/{real.name}")
    return real


def test_generations_are_pinned_and_in_use(shell: Shell, generation: Path) -> None:
    in_use = generation.parent / f".{generation.name}.inuse"
    show = "string join : $PATH" if shell.name == "fish" else 'echo "$PATH"'
    probe = f"flock -n -x {in_use} true && echo free || echo in use"
    if shell.name == "fish":
        probe = f"if flock -n -x {in_use} true; echo free; else; echo in use; end; true"
    lines = shell.lines(
        probe,
        "conda activate train",
        'echo "$CONDA_PREFIX|$PYTHONNOUSERSITE|$CONDA_SHLVL"',
        show,
        probe,
        "conda deactivate",
        'echo "$CONDA_PREFIX|$PYTHONNOUSERSITE|$CONDA_SHLVL"',
        show,
        probe.replace("flock -n", "flock -w 60"),  # fish's holder dies a moment later
    )
    assert lines[0] == "free" and lines[1] == f"{generation}|1|1"
    assert lines[2].startswith(f"{generation}/bin:") and f"{shell.conda.home}/envs/train/bin" not in lines[2]
    assert lines[3] == "in use"
    assert lines[4] == "||0" and str(shell.conda.home) not in lines[5] and lines[6] == "free"


def test_generations_below_another_environment(shell: Shell, generation: Path, envs: tuple[Path, Path]) -> None:
    lines = shell.lines(
        "conda activate train", "conda activate one >/dev/null", SHOW, "conda deactivate >/dev/null", SHOW
    )
    assert lines[0].startswith(f"2|{envs[0]}|one|")
    assert lines[1].startswith(f"1|{generation}|")


def test_run_in_a_generation(user: Conda, generation: Path) -> None:
    assert user.ok("run", "-n", "train", "sh", "-c", "echo $CONDA_PREFIX $PYTHONNOUSERSITE") == f"{generation} 1\n"
