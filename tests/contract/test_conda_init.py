"""`conda init`: one block in a user's own shell file, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.contract.subjects import Conda, make_environment

FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}


@pytest.mark.parametrize("shell", FILES)
def test_init(user: Conda, shell: str) -> None:
    path = user.home / FILES[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# mine\n")
    text = user.ok("init", "--dry-run", shell)
    assert "DRY RUN" in text and str(path) in text and path.read_text() == "# mine\n"
    user.ok("init", shell)
    written = path.read_text()
    assert written.startswith("# mine\n") and written.count("# >>> conda initialize >>>") == 1
    assert f"{user.root}/bin/conda" in written
    again = user.ok("init", shell)
    assert path.read_text() == written and next(x for x in again.splitlines() if str(path) in x).startswith("no change")
    prefix = make_environment(user.home / "envs" / "train")
    command = [shell, "-i", "-c", 'conda activate train; echo "in $CONDA_PREFIX"']
    done = subprocess.run(command, env=user.environ(), cwd=user.home, capture_output=True, text=True, timeout=60)
    assert f"in {prefix}" in done.stdout.splitlines(), done.stderr
    user.ok("init", "--reverse", shell)
    assert "conda" not in path.read_text() and path.read_text().startswith("# mine\n")


def test_init_without_a_file(user: Conda) -> None:
    user.ok("init")
    assert "conda initialize" in (user.home / ".bashrc").read_text()
    assert not (user.home / ".zshrc").exists()


def test_unknown_shells(user: Conda) -> None:
    assert user("init", "nonsense").returncode == 2
    assert not list(Path(user.home).glob(".bash*"))
