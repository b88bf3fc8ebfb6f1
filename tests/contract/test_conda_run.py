"""`conda run`: variables, scripts, exit codes, streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.subjects import Conda, make_environment


@pytest.fixture
def train(user: Conda) -> Path:
    user.ok("create", "-y", "-n", "train", "tool")
    prefix = user.home / "envs" / "train"
    (prefix / "conda-meta" / "state").write_text('{"version": 1, "env_vars": {"FLEET": "yes"}}')
    return prefix


def test_run_in_an_environment(user: Conda, train: Path) -> None:
    for place in (["-n", "train"], ["-p", str(train)]):
        assert user.ok("run", *place, "tool") == f"tool in {train} with on\n"
    text = user.ok("run", "-n", "train", "sh", "-c", "echo $CONDA_PREFIX $CONDA_DEFAULT_ENV $FLEET; command -v tool")
    assert text == f"{train} train yes\n{train}/bin/tool\n"


def test_exit_code(user: Conda, train: Path) -> None:
    done = user("run", "-n", "train", "tool", "7")
    assert done.returncode == 7 and "`conda run tool 7` failed" in done.stderr
    assert user("run", "-n", "train", "no-such-command").returncode == 127


def test_streams(user: Conda, train: Path) -> None:
    for option in ([], ["--no-capture-output"], ["--live-stream"], ["-s"]):
        done = user("run", *option, "-n", "train", "sh", "-c", "echo out; echo err >&2")
        assert done.returncode == 0 and done.stdout == "out\n" and "err\n" in done.stderr


def test_arguments_arrive_as_they_are(user: Conda, train: Path) -> None:
    words = ["a b", "*", "$HOME", "it's", '"', "--name", "\\"]
    text = user.ok("run", "-n", "train", "printf", "[%s]", *words)
    assert text == "".join(f"[{word}]" for word in words)


def test_options_end_with_two_dashes(user: Conda, train: Path) -> None:
    assert user.ok("run", "-n", "train", "--", "echo", "-n", "x") == "x"


def test_several_lines_are_a_script(user: Conda, train: Path) -> None:
    assert user.ok("run", "-n", "train", "echo a\necho b") == "a\nb\n"


def test_working_folder(user: Conda, train: Path) -> None:
    assert user.ok("run", "-n", "train", "pwd") == f"{user.home}\n"
    assert user.ok("run", "-n", "train", "--cwd", "/usr", "pwd") == "/usr\n"


def test_nothing_to_run(user: Conda, train: Path) -> None:
    assert user("run", "-n", "train").returncode == 2


def test_no_environment(user: Conda) -> None:
    done = user("run", "-p", user.home / "nowhere", "true")
    assert done.returncode == 1 and "EnvironmentLocationNotFound" in done.stderr


def test_scripts_run_before_and_after(user: Conda, train: Path) -> None:
    done = user("run", "-n", "train", "true")
    assert done.stderr.splitlines().index("tool on") < done.stderr.splitlines().index("tool off")


def test_inside_an_active_environment(user: Conda, train: Path) -> None:
    other = make_environment(user.home / "envs" / "other")
    variables = {"CONDA_PREFIX": str(other), "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "other"}
    text = user.ok("run", "-n", "train", "sh", "-c", "echo $CONDA_PREFIX $CONDA_SHLVL $CONDA_PREFIX_1", **variables)
    assert text == f"{train} 2 {other}\n"
