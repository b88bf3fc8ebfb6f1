"""Environments: created from specs and explicit files, refused, removed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.subjects import Conda, make_environment


def names(prefix: Path) -> list[str]:
    return sorted(path.stem for path in (prefix / "conda-meta").glob("*.json"))


def record(prefix: Path, stem: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((prefix / "conda-meta" / f"{stem}.json").read_text())
    return found


def test_create_from_specs(user: Conda, channels: Path) -> None:
    user.ok("create", "-y", "-n", "train", "tool", "alpha=1")
    prefix = user.home / "envs" / "train"
    assert names(prefix) == ["alpha-1.0-0", "beta-1.5-0", "tool-3.1-0"]
    assert (prefix / "share/alpha.txt").read_text() == "alpha 1.0\n"
    assert str(prefix) in (prefix / "bin/tool").read_text()
    assert (prefix / "bin/tool").stat().st_mode & 0o777 in (0o755, 0o775)
    archive = channels / "forge" / "linux-64" / "tool-3.1-0.tar.bz2"
    tool = record(prefix, "tool-3.1-0")
    assert tool["url"] == archive.as_uri() and tool["subdir"] == "linux-64" and tool["depends"] == ["beta"]
    assert tool["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert tool["fn"] == archive.name and sorted(tool["files"])[0] == "bin/tool"
    paths = {entry["_path"]: entry for entry in tool["paths_data"]["paths"]}
    assert paths["bin/tool"]["sha256_in_prefix"] == hashlib.sha256((prefix / "bin/tool").read_bytes()).hexdigest()
    for path in (prefix / "conda-meta").iterdir():
        assert path.stat().st_mode & 0o044 == 0o044, f"{path.name}: other users cannot read it"


def test_the_history_says_what_was_asked_for(user: Conda) -> None:
    user.ok("create", "-y", "-n", "train", "alpha=1", "beta")
    lines = (user.home / "envs/train/conda-meta/history").read_text().splitlines()
    assert lines[0].startswith("==> ") and lines[1].startswith("# cmd: ") and "create" in lines[1]
    assert lines[2].startswith("# conda version: ")
    assert [line.split("::")[1] for line in lines if line.startswith("+")] == ["alpha-1.0-0", "beta-1.5-0"]
    assert lines[-1].startswith("# update specs: [") and "beta" in lines[-1] and "alpha" in lines[-1]


def test_files_are_hard_links_into_the_cache(user: Conda) -> None:
    user.ok("create", "-y", "-n", "one", "alpha")
    user.ok("create", "-y", "-n", "two", "alpha")
    inodes = {
        (user.home / place / "share/alpha.txt").stat().st_ino for place in ("envs/one", "envs/two", "pkgs/alpha-2.0-0")
    }
    assert len(inodes) == 1
    urls = (user.home / "pkgs/urls.txt").read_text().split()
    assert [url.rsplit("/", 1)[1] for url in urls] == ["alpha-2.0-0.tar.bz2"]
    assert record(user.home / "envs/one", "alpha-2.0-0")["link"]["type"] in (1, "hardlink")


def test_an_environment_elsewhere_is_listed(user: Conda, tmp_path: Path) -> None:
    user.ok("create", "-y", "-p", tmp_path / "elsewhere", "alpha")
    assert str(tmp_path / "elsewhere") in (user.home / ".conda/environments.txt").read_text().split()


def test_create_says_how_to_activate(user: Conda) -> None:
    assert "conda activate train" in user.ok("create", "-y", "-n", "train", "alpha")
    assert "alpha" in user.ok("create", "--dry-run", "-n", "more", "alpha")
    assert user.ok("create", "-y", "-q", "-n", "quiet", "alpha").count("conda activate") == 0


def test_create_json(user: Conda) -> None:
    done = user.json("create", "-y", "-n", "train", "beta")
    assert done["success"] is True and done["prefix"] == f"{user.home}/envs/train"
    linked = {p["name"]: p for p in done["actions"]["LINK"]}
    assert (
        set(linked) == {"alpha", "beta"} and linked["beta"]["version"] == "1.5" and linked["beta"]["channel"] == "forge"
    )


def test_dry_run_changes_nothing(user: Conda) -> None:
    done = user("create", "--dry-run", "-n", "train", "beta")
    assert done.returncode == 0 and "DryRunExit" in done.stderr and "beta" in done.stdout
    planned = user.json("create", "--dry-run", "-n", "train", "beta")
    assert planned["dry_run"] is True and {p["name"] for p in planned["actions"]["LINK"]} == {"alpha", "beta"}
    assert not (user.home / "envs/train").exists()


def test_an_empty_environment(user: Conda) -> None:
    user.ok("create", "-y", "-n", "empty")
    assert (user.home / "envs/empty/conda-meta/history").is_file()
    assert user.json("list", "-n", "empty") == []


def test_explicit(user: Conda, channels: Path) -> None:
    user.ok("create", "-y", "-n", "one", "tool", "alpha=1")
    for kind in ("--md5", "--sha256"):
        listed = user.home / "explicit.txt"
        listed.write_text(user.ok("list", "-n", "one", "--explicit", kind))
        name = kind.strip("-")
        user.ok("create", "-y", "-n", name, "--file", listed)
        prefix = user.home / "envs" / name
        assert names(prefix) == ["alpha-1.0-0", "beta-1.5-0", "tool-3.1-0"]
        assert record(prefix, "beta-1.5-0")["depends"] == ["alpha >=1"]
        assert user.ok("list", "-n", name, "--explicit", kind).splitlines()[4:] == listed.read_text().splitlines()[4:]


def test_explicit_forms(user: Conda, channels: Path) -> None:
    archive = channels / "forge" / "noarch" / "alpha-1.0-0.tar.bz2"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    listed = user.home / "explicit.txt"
    for i, line in enumerate((archive.as_uri(), f"{archive.as_uri()}#sha256:{digest}", str(archive))):
        listed.write_text(f"# comment\n@EXPLICIT\n{line}\n")
        user.ok("create", "-y", "--offline", "-p", user.home / f"e{i}", "--file", listed)
        assert names(user.home / f"e{i}") == ["alpha-1.0-0"]


def test_over_http(user: Conda, served: str) -> None:
    user.rc.write_text(user.rc.read_text() + f"channel_alias: {served}\n")
    user.rc.write_text("".join(line for line in user.rc.read_text().splitlines(True) if "file://" not in line))
    user.ok("create", "-y", "-n", "train", "tool")
    assert record(user.home / "envs/train", "tool-3.1-0")["url"] == f"{served}/forge/linux-64/tool-3.1-0.tar.bz2"
    assert {p["channel"] for p in user.json("list", "-n", "train")} == {"forge"}
    assert (user.home / "pkgs" / "cache").is_dir()
    user.ok("clean", "-i", "-y")
    assert not (user.home / "pkgs" / "cache").exists()


def test_explicit_with_a_wrong_hash(user: Conda, served: str) -> None:
    """Over HTTP: of local archives neither conda nor py-rattler checks the hash."""
    listed = user.home / "explicit.txt"
    for digest in ("0" * 64, "0" * 32):
        listed.write_text(f"@EXPLICIT\n{served}/forge/noarch/alpha-1.0-0.tar.bz2#{digest}\n")
        done = user("create", "-y", "-n", "bad", "--file", listed)
        assert done.returncode == 1 and "ChecksumMismatchError" in done.stderr
        assert not (user.home / "envs/bad").exists()


def test_an_archive_that_is_gone(user: Conda, served: str) -> None:
    listed = user.home / "explicit.txt"
    listed.write_text(f"@EXPLICIT\n{served}/forge/noarch/gone-1.0-0.tar.bz2\n")
    done = user("create", "-y", "-n", "bad", "--file", listed)
    assert done.returncode == 1 and "404" in done.stderr and not (user.home / "envs/bad").exists()


def test_a_channel_that_is_gone(user: Conda) -> None:
    done = user("create", "-y", "-n", "bad", "-c", "http://127.0.0.1:9/nothing", "--override-channels", "alpha")
    assert done.returncode == 1 and "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


def test_explicit_that_cannot_be_parsed(user: Conda) -> None:
    listed = user.home / "explicit.txt"
    listed.write_text("@EXPLICIT\nhttps://x.example/noarch/nothing\n")
    user.fails("ParseError", "create", "-y", "-n", "bad", "--file", listed)


def test_explicit_dry_run(user: Conda, channels: Path) -> None:
    listed = user.home / "explicit.txt"
    listed.write_text(f"@EXPLICIT\n{(channels / 'forge/noarch/alpha-1.0-0.tar.bz2').as_uri()}\n")
    done = user("create", "--dry-run", "-n", "train", "--file", listed)
    assert done.returncode == 0 and not (user.home / "envs/train").exists()


def test_explicit_files_and_specs_do_not_mix(user: Conda, channels: Path) -> None:
    listed = user.home / "explicit.txt"
    listed.write_text(f"@EXPLICIT\n{(channels / 'forge/noarch/alpha-1.0-0.tar.bz2').as_uri()}\n")
    user.fails("CondaValueError", "create", "-y", "-n", "mixed", "--file", listed, "beta")


def test_a_file_that_is_not_there(user: Conda) -> None:
    user.fails("EnvironmentFileNotFound", "create", "-y", "-n", "x", "--file", "nowhere.txt")


def test_what_no_channel_has(user: Conda) -> None:
    error = user.fails("PackagesNotFoundInChannelsError", "create", "-y", "-n", "x", "nothing-like-this")
    assert "nothing-like-this" in error["message"] and "/forge" in error["message"]
    assert not (user.home / "envs/x").exists()


def test_what_cannot_be_had_together(user: Conda) -> None:
    done = user("create", "-y", "-n", "x", "alpha=1", "alpha=2")
    assert done.returncode == 1 and "alpha" in done.stdout + done.stderr


def test_virtual_packages_count(user: Conda) -> None:
    assert user("create", "-y", "-n", "no", "gpu", CONDA_OVERRIDE_CUDA="").returncode == 1
    assert user("create", "-y", "-n", "old", "gpu", CONDA_OVERRIDE_CUDA="11.8").returncode == 1
    user.ok("create", "-y", "-n", "yes", "gpu", CONDA_OVERRIDE_CUDA="12.8")
    assert names(user.home / "envs/yes") == ["gpu-1.0-0"]


def test_without_channels(conda: Conda) -> None:
    conda.rc.write_text(f"pkgs_dirs: [{conda.home}/pkgs]\ndefault_channels: []\n")
    conda.fails("NoChannelsConfiguredError", "create", "-y", "-p", conda.home / "x", "alpha")


def test_channels_of_the_command_line_come_first(user: Conda) -> None:
    assert user.json("create", "--dry-run", "-n", "x", "alpha")["actions"]["LINK"][0]["version"] == "2.0"
    planned = user.json("create", "--dry-run", "-n", "x", "-c", "other", "alpha")
    assert planned["actions"]["LINK"][0]["version"] == "9.0" and planned["actions"]["LINK"][0]["channel"] == "other"
    planned = user.json("create", "--dry-run", "-n", "x", "-c", "other", "--override-channels", "stranger")
    assert planned["actions"]["LINK"][0]["name"] == "stranger"
    assert user("create", "--dry-run", "-n", "x", "--override-channels", "alpha").returncode == 2


def test_strict_priority(user: Conda) -> None:
    text = user.rc.read_text()
    user.rc.write_text(text.replace("channels: [forge]", "channels: [forge, other]"))
    assert user.json("create", "--dry-run", "-n", "x", "alpha")["actions"]["LINK"][0]["version"] == "2.0"
    assert user("create", "--dry-run", "-n", "x", "alpha=9").returncode == 1


def test_channels_that_are_not_allowed(user: Conda, channels: Path) -> None:
    user.rc.write_text(user.rc.read_text() + "allowlist_channels: [forge]\n")
    user.ok("create", "-y", "-n", "fine", "alpha")
    for channel in ("other", (channels / "other").as_uri(), "conda-forge"):
        error = user.fails("ChannelNotAllowed", "create", "-y", "-n", "x", "-c", channel, "alpha")
        assert error["channel_name"] in (channel, "other")
    assert user("create", "-y", "-n", "x", "other::stranger").returncode == 1
    assert not (user.home / "envs/x").exists()


def test_overriding_channels_can_be_forbidden(user: Conda) -> None:
    user.rc.write_text(user.rc.read_text() + "override_channels_enabled: false\n")
    user.fails("OperationNotAllowed", "create", "-y", "-n", "x", "-c", "forge", "--override-channels", "alpha")


@pytest.mark.parametrize("name", ["a/b", "a:b", "a#b", "a b"])
def test_names_that_are_none(user: Conda, name: str) -> None:
    user.fails("CondaValueError", "create", "-y", "-n", name)


def test_base_cannot_be_created(user: Conda) -> None:
    user.fails("CondaValueError", "create", "-y", "-n", "base")
    assert user("create", "-y").returncode == 2


def test_an_existing_environment_is_not_lost_by_accident(user: Conda) -> None:
    user.ok("create", "-y", "-n", "train", "alpha=1")
    prefix = user.home / "envs/train"
    done = user("create", "-n", "train", "alpha=2", stdin="n\n")
    assert done.returncode == 0 and names(prefix) == ["alpha-1.0-0"]
    user.fails("CondaValueError", "create", "--dry-run", "-n", "train", "alpha=2")
    user.ok("create", "-y", "-n", "train", "alpha=2")
    assert names(prefix) == ["alpha-2.0-0"]


def test_the_plan_can_be_refused(user: Conda) -> None:
    done = user("create", "-n", "train", "alpha", stdin="n\n")
    assert done.returncode == 0 and not list((user.home / "envs/train").glob("conda-meta/*.json"))


def test_create_default_packages(user: Conda) -> None:
    user.rc.write_text(user.rc.read_text() + "create_default_packages: [alpha=1]\n")
    assert {p["name"] for p in user.json("create", "-y", "-n", "x", "tool")["actions"]["LINK"]} == {
        "alpha",
        "beta",
        "tool",
    }
    assert names(user.home / "envs/x")[0] == "alpha-1.0-0"
    user.ok("create", "-y", "-n", "y", "--no-default-packages", "beta")
    assert names(user.home / "envs/y")[0] == "alpha-2.0-0"


def test_offline(user: Conda) -> None:
    user.ok("create", "-y", "--offline", "-n", "x", "alpha")
    assert names(user.home / "envs/x") == ["alpha-2.0-0"]


# frozen environments, CEP 22


def frozen(user: Conda, message: str = "") -> Path:
    user.ok("create", "-y", "-n", "still", "alpha=1")
    prefix = user.home / "envs" / "still"
    (prefix / "conda-meta" / "frozen").write_text(json.dumps({"message": message}) if message else "")
    return prefix


@pytest.mark.parametrize(
    "command",
    [["install", "beta"], ["remove", "alpha"], ["update", "alpha"], ["remove", "--all"], ["env", "remove"]],
    ids=" ".join,
)
def test_frozen_environments_are_not_changed(user: Conda, command: list[str]) -> None:
    prefix = frozen(user, "Made by the fleet.\nAsk the platform team.")
    words = command[:2] if command[0] == "env" else command[:1]
    rest = command[len(words) :]
    error = user.fails("EnvironmentIsFrozenError", *words, "-y", "-n", "still", *rest)
    assert f"Cannot modify '{prefix}'. The environment is marked as frozen." in error["message"]
    assert "    Made by the fleet.\n    Ask the platform team." in error["message"]
    assert "--override-frozen" in error["message"]
    assert names(prefix) == ["alpha-1.0-0"]


def test_an_empty_mark_freezes_as_well(user: Conda) -> None:
    frozen(user)
    user.fails("EnvironmentIsFrozenError", "install", "-y", "-n", "still", "beta")


def test_a_frozen_base(conda: Conda) -> None:
    mark = conda.root / "conda-meta" / "frozen"
    mark.touch()
    try:
        conda.fails("EnvironmentIsFrozenError", "install", "-y", "-n", "base", "--offline", "alpha")
    finally:
        mark.unlink()


def test_install_into_nothing(user: Conda) -> None:
    user.fails("EnvironmentLocationNotFound", "install", "-y", "-p", "/no/such/place", "alpha")
    user.fails("CondaValueError", "remove", "-y", "-n", "base")


def test_remove_a_whole_environment(user: Conda, tmp_path: Path) -> None:
    for command in (["remove", "--all"], ["env", "remove"]):
        user.ok("create", "-y", "-p", tmp_path / "gone", "alpha")
        user.ok(*command, "-y", "-p", tmp_path / "gone")
        assert not (tmp_path / "gone").exists()
        assert str(tmp_path / "gone") not in (user.home / ".conda/environments.txt").read_text().split()


def test_what_cannot_be_removed(user: Conda) -> None:
    user.fails("EnvironmentLocationNotFound", "remove", "-y", "--all", "-p", "/no/such/place")
    prefix = make_environment(user.home / "envs" / "here")
    done = user("remove", "-y", "--all", "-n", "here", CONDA_PREFIX=str(prefix), CONDA_SHLVL="1")
    assert done.returncode == 1 and prefix.exists()
    assert user("remove", "-y", "--all", "-n", "base").returncode == 1
