"""What docs/how-to/without-ansible.md tells people to run, run: environments from exported locks, by conda alone."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.locked_package import Package, merge_depends
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.export import render

from tests.contract.subjects import CHECKOUT, Conda, ordinary

PAGE = CHECKOUT / "docs" / "how-to" / "without-ansible.md"
FILE = "train.linux-64.explicit.txt"


def blocks(language: str) -> list[str]:
    """The page's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def commands(start: str) -> list[str]:
    """The page's console commands that begin so."""
    lines = "".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith(f"$ {start}")]


@pytest.fixture
def lock(channels: Path, served: str) -> Lock:
    packages = []
    for subdir in ("linux-64", "noarch"):
        for file, r in json.loads((channels / "forge" / subdir / "repodata.json").read_text())["packages"].items():
            if (r["name"], r["version"]) in {("alpha", "2.0"), ("beta", "1.5"), ("tool", "3.1")}:
                url, depends = f"{served}/forge/{subdir}/{file}", merge_depends(r["depends"])
                packages.append(
                    Package(
                        "conda", r["name"], "linux-64", r["version"], r["build"], url, r["md5"], r["sha256"], depends
                    )
                )
    assert len(packages) == 3
    return Lock(tuple(packages), ("linux-64",), (f"{served}/forge",), custom={"variables": '{"OMP_NUM_THREADS":"4"}'})


@pytest.fixture
def folder(user: Conda, lock: Lock) -> Path:
    """Where somebody has an export: their home."""
    home: Path = user.home
    (home / FILE).write_text(render.render(lock, "train", "linux-64")[FILE] or "")
    return home


def shell(conda: Conda, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = conda.environ(CONDA_NUMBER_CHANNEL_NOTICES="0", **variables)
    environment["PATH"] = f"{conda.root}/bin:{environment['PATH']}"
    command = [*ordinary(), "bash", "-euc", script]
    return subprocess.run(
        command, env=environment, cwd=conda.home, capture_output=True, text=True, timeout=120, check=False
    )


def names(prefix: Path) -> list[str]:
    return sorted(path.stem for path in (prefix / "conda-meta").glob("*.json"))


def test_a_laptop(user: Conda, folder: Path, lock: Lock) -> None:
    (create,) = [line for line in commands("conda create") if FILE in line]
    done = shell(user, create)
    assert done.returncode == 0, done.stderr
    prefix = user.home / "envs" / "train"
    assert names(prefix) == ["alpha-2.0-0", "beta-1.5-0", "tool-3.1-0"]
    hashes = {json.loads(path.read_text())["sha256"] for path in (prefix / "conda-meta").glob("*.json")}
    assert hashes == {package.sha256 for package in lock.packages}
    assert f"tool in {prefix} with on" in shell(user, "conda run --name train tool 0").stdout

    if user.name == "real":  # the fake changes no environment
        (variables,) = commands("conda env config vars set")
        assert variables in (folder / FILE).read_text(), "the file says the same"
        assert shell(user, variables).returncode == 0
        shown = shell(user, "conda run --name train printenv OMP_NUM_THREADS")
        assert shown.stdout.strip() == "4", shown.stderr

    (freeze,) = commands("touch")
    shell(user, freeze.replace("$(conda info --base)", str(user.home))).check_returncode()
    assert "frozen" in shell(user, "conda remove --yes --name train tool").stderr


def test_what_is_not_the_locked_package_is_refused(user: Conda, folder: Path, lock: Lock) -> None:
    (create,) = [line for line in commands("conda create") if FILE in line]
    wrong = [
        dataclasses.replace(package, sha256="0" * 64) if package.name == "beta" else package
        for package in lock.packages
    ]
    altered = dataclasses.replace(lock, packages=tuple(wrong))
    (folder / FILE).write_text(render.render(altered, "train", "linux-64")[FILE] or "")
    done = shell(user, create)
    assert done.returncode == 1 and "ChecksumMismatchError" in done.stderr
    assert not names(user.home / "envs" / "train")


def test_the_image_s_run_line(user: Conda, folder: Path) -> None:
    (file,) = blocks("dockerfile")
    runs = [line.removeprefix("RUN ") for line in file.splitlines() if line.startswith("RUN ")]
    assert len(runs) == 2 and runs[0] == "bash /tmp/miniconda.sh -b -p /opt/miniconda"
    script = runs[1].replace("/tmp/", "").replace("/opt/train", str(folder / "train"))
    script = script.replace("/opt/miniconda", str(user.root))
    done = shell(user, script)
    assert done.returncode == 0, done.stderr
    assert names(folder / "train") == ["alpha-2.0-0", "beta-1.5-0", "tool-3.1-0"]


def test_the_image_s_installer_is_the_one_that_hosts_get() -> None:
    (file,) = blocks("dockerfile")
    found = re.search(r"--checksum=sha256:([0-9a-f]{64}) https\S+/(\S+[.]sh)", file)
    installers = yaml.safe_load((CHECKOUT / "roles/miniconda/defaults/main.yml").read_text())["miniconda_installers"]
    assert found and installers[found[2]] == found[1]


def test_a_ci_job(user: Conda, folder: Path) -> None:
    (text,) = blocks("yaml")
    steps = yaml.safe_load(text)["jobs"]["test"]["steps"]
    (script,) = [step["run"] for step in steps if "GITHUB_PATH" in step.get("run", "")]
    (folder / "exported" / "prod").mkdir(parents=True)
    (folder / FILE).rename(folder / "exported" / "prod" / FILE)
    path = folder / "github-path"
    done = shell(user, script, CONDA=str(user.root), RUNNER_TEMP=str(folder / "temp"), GITHUB_PATH=str(path))
    assert done.returncode == 0, done.stderr
    assert names(folder / "temp" / "train") == ["alpha-2.0-0", "beta-1.5-0", "tool-3.1-0"]
    assert path.read_text() == f"{folder}/temp/train/bin\n"
