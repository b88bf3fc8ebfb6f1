"""Version, facts, listing, and how wrong commands end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.subjects import Conda, make_environment


def test_version(conda: Conda) -> None:
    words = conda.ok("--version").split()
    assert words[0] == "conda" and words[1][0].isdigit()
    assert conda.ok("-V").split() == words
    assert ("+fake" in words[1]) == (conda.name == "fake")


def test_info_base(conda: Conda) -> None:
    assert conda.ok("info", "--base").strip() == str(conda.root)
    assert conda.json("info", "--base") == {"root_prefix": str(conda.root)}


def test_info_json(conda: Conda) -> None:
    info = conda.json("info")
    assert info["root_prefix"] == info["conda_prefix"] == info["default_prefix"] == str(conda.root)
    assert info["platform"] == "linux-64"
    assert info["conda_version"] == conda.ok("--version").split()[1]
    assert info["root_writable"] is True
    assert info["active_prefix"] is None and info["active_prefix_name"] is None and info["conda_shlvl"] == -1
    assert info["pkgs_dirs"] == [f"{conda.root}/pkgs", f"{conda.home}/.conda/pkgs"]
    assert info["envs_dirs"] == [f"{conda.root}/envs", f"{conda.home}/.conda/envs"]
    assert info["channels"] == [] and info["config_files"] == []
    assert info["user_rc_path"] == str(conda.rc) and info["sys_rc_path"] == f"{conda.root}/.condarc"
    assert str(conda.root) in info["envs"]
    assert info["offline"] is False
    names = [row[0] for row in info["virtual_pkgs"]]
    assert {"__glibc", "__linux", "__unix", "__archspec", "__conda"} <= set(names)
    assert names == sorted(names)


def test_info_shows_a_simulated_driver(conda: Conda) -> None:
    info = conda.json("info", CONDA_OVERRIDE_CUDA="12.8")
    assert ["__cuda", "12.8", "0"] in info["virtual_pkgs"]
    assert "__cuda" not in [row[0] for row in conda.json("info", CONDA_OVERRIDE_CUDA="")["virtual_pkgs"]]


def test_info_with_an_active_environment(user: Conda) -> None:
    prefix = make_environment(user.home / "envs" / "train")
    info = user.json("info", CONDA_PREFIX=str(prefix), CONDA_SHLVL="1", CONDA_DEFAULT_ENV="train")
    assert info["active_prefix"] == info["default_prefix"] == str(prefix)
    assert info["active_prefix_name"] == "train" and info["conda_shlvl"] == 1
    assert info["channels"][0].endswith("/forge/linux-64") and info["channels"][1].endswith("/forge/noarch")
    assert info["config_files"] == [str(user.rc)]


def test_info_for_people(conda: Conda) -> None:
    text = conda.ok("info")
    assert f"base environment : {conda.root}  (writable)" in text
    assert "platform : linux-64" in text


def test_env_list(user: Conda) -> None:
    make_environment(user.home / "envs" / "train")
    frozen = make_environment(user.home / "envs" / "still")
    (frozen / "conda-meta" / "frozen").touch()
    (user.home / "envs" / "no-environment").mkdir()
    outside = make_environment(user.home / "outside")
    (user.home / ".conda").mkdir()
    (user.home / ".conda" / "environments.txt").write_text(f"{outside}\n{user.home}/gone\n")
    found = user.json("env", "list")
    mine = [path for path in found["envs"] if path.startswith(str(user.home))]
    # root is shown the lists of all users of the machine, and not that of $HOME
    listed = [] if os.geteuid() == 0 else [str(outside)]
    assert mine == [str(frozen), str(user.home / "envs/train"), *listed]
    still = found["envs_details"][str(frozen)]
    assert still["name"] == "still" and still["frozen"] is True and still["active"] is False
    assert not listed or found["envs_details"][str(outside)]["name"] == ""
    assert found["envs_details"][str(user.root)]["base"] is True
    text = user.ok("env", "list", CONDA_PREFIX=str(user.home / "envs/train"), CONDA_SHLVL="1")
    rows = [line.split() for line in text.splitlines() if str(user.home) in line]
    assert ["train", "*", f"{user.home}/envs/train"] in rows
    assert ["still", "+", f"{user.home}/envs/still"] in rows
    assert user.json("info", "--envs")["envs"] == found["envs"]


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["list", "--nonsense"], ["clean", "--nonsense"], ["env", "nonsense"]]
)
def test_what_is_not_known_ends_with_2(conda: Conda, arguments: list[str]) -> None:
    done = conda(*arguments)
    assert done.returncode == 2 and "nonsense" in done.stderr and not done.stdout.strip()


def test_without_a_command_help_is_shown(conda: Conda) -> None:
    assert "usage: conda" in conda.ok()
    assert "usage: conda" in conda.ok("--help")
    assert "usage: conda clean" in conda.ok("clean", "--help")


@pytest.mark.parametrize("command", ["activate", "deactivate"])
def test_activation_needs_the_shell_function(conda: Conda, command: str) -> None:
    done = conda(command)
    assert done.returncode == 1 and f"Run 'conda init' before 'conda {command}'" in done.stderr


def test_a_prefix_that_is_not_there(conda: Conda) -> None:
    error = conda.fails("EnvironmentLocationNotFound", "list", "-p", "/no/such/place")
    assert error["location"] == "/no/such/place"
    done = conda("list", "-p", "/no/such/place")
    assert done.returncode == 1
    assert "EnvironmentLocationNotFound: Not a conda environment: /no/such/place" in done.stderr


def test_a_name_that_is_not_there(conda: Conda) -> None:
    conda.fails("EnvironmentLocationNotFound", "list", "-n", "nobody")
    done = conda("run", "-n", "nobody", "true")
    assert done.returncode == 1 and "EnvironmentLocationNotFound" in done.stderr


def test_a_folder_that_is_no_environment(conda: Conda) -> None:
    conda.fails("DirectoryNotACondaEnvironmentError", "list", "-p", conda.home)


def test_name_and_prefix_exclude_each_other(conda: Conda) -> None:
    assert conda("list", "-n", "base", "-p", conda.root).returncode == 2


def test_list(user: Conda, tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    user.ok("create", "-y", "-p", prefix, "tool", "alpha=1")
    listed = user.json("list", "-p", prefix)
    assert [(p["name"], p["version"], p["build_string"], p["platform"], p["channel"]) for p in listed] == [
        ("alpha", "1.0", "0", "noarch", "forge"),
        ("beta", "1.5", "0", "noarch", "forge"),
        ("tool", "3.1", "0", "linux-64", "forge"),
    ]
    assert set(listed[0]) == {
        "base_url",
        "build_number",
        "build_string",
        "channel",
        "dist_name",
        "name",
        "platform",
        "version",
    }
    assert listed[0]["base_url"].endswith("/forge") and listed[0]["dist_name"] == "alpha-1.0-0"
    rows = [line.split() for line in user.ok("list", "-p", prefix).splitlines() if not line.startswith("#")]
    assert rows == [["alpha", "1.0", "0", "forge"], ["beta", "1.5", "0", "forge"], ["tool", "3.1", "0", "forge"]]
    assert [p["name"] for p in user.json("list", "-p", prefix, "^t")] == ["tool"]
    assert [p["name"] for p in user.json("list", "-p", prefix, "--reverse")] == ["tool", "beta", "alpha"]
    assert user("list", "-p", prefix, "nobody").returncode == 1
    assert user("list", "-p", prefix, "--full-name", "too").returncode == 1
    assert [p["name"] for p in user.json("list", "-p", prefix, "--full-name", "tool")] == ["tool"]


def test_list_explicit(user: Conda, tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    user.ok("create", "-y", "-p", prefix, "tool")
    plain = [line for line in user.ok("list", "-p", prefix, "--explicit").splitlines() if not line.startswith("#")]
    assert plain[0] == "@EXPLICIT"
    assert [line.rsplit("/", 1)[1] for line in plain[1:]] == [
        "alpha-2.0-0.tar.bz2",
        "beta-1.5-0.tar.bz2",
        "tool-3.1-0.tar.bz2",
    ]
    for flag, size in (("--md5", 32), ("--sha256", 64)):
        lines = user.ok("list", "-p", prefix, "--explicit", flag).splitlines()
        assert {len(line.partition("#")[2]) for line in lines if line.startswith("file:")} == {size}
    assert user("list", "-p", prefix, "--explicit", "--md5", "--sha256").returncode == 2
    export = [line for line in user.ok("list", "-p", prefix, "--export").splitlines() if not line.startswith("#")]
    assert export == ["alpha=2.0=0", "beta=1.5=0", "tool=3.1=0"]
    canonical = user.ok("list", "-p", prefix, "--canonical").split()
    assert canonical == ["forge/noarch::alpha-2.0-0", "forge/noarch::beta-1.5-0", "forge/linux-64::tool-3.1-0"]


def test_list_shows_what_pip_installed(user: Conda, tmp_path: Path) -> None:
    prefix = make_environment(tmp_path / "env")
    owned = "lib/python3.12/site-packages/owned-1.0.dist-info/RECORD"
    for name, version, depends, files in (("python", "3.12.1", [], []), ("owned", "1.0", ["python"], [owned])):
        record = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "subdir": "linux-64",
            "md5": "0" * 32,
        }
        record |= {"channel": "forge", "fn": f"{name}-{version}-0.conda", "depends": depends, "files": files}
        record |= {"url": f"https://x.example/forge/linux-64/{name}-{version}-0.conda"}
        (prefix / "conda-meta" / f"{name}-{version}-0.json").write_text(json.dumps(record))
    for name in ("owned", "Some_Wheel"):
        info = prefix / "lib/python3.12/site-packages" / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\ntext\n")
        (info / "RECORD").write_text(f"{name}-1.0.dist-info/METADATA,,\n{name}-1.0.dist-info/RECORD,,\n")
        (info / "INSTALLER").write_text("pip\n")
    listed = {p["name"]: p for p in user.json("list", "-p", prefix)}
    assert listed["some-wheel"]["channel"] == "pypi" and listed["some-wheel"]["build_string"] == "pypi_0"
    assert listed["some-wheel"]["version"] == "1.0" and listed["some-wheel"]["platform"] == "pypi"
    assert listed["owned"]["channel"] == "forge" and listed["python"]["platform"] == "linux-64"
    assert len(listed) == 3
