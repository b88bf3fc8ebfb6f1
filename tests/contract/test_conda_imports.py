"""Environments that conda made, and what it writes about them, taken over."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import Outcome, Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings as Site

from tests.contract.subjects import Conda


def take(source: Path, home: Path, channels: Path) -> Outcome:
    (home / "envs").mkdir(exist_ok=True)
    site = Site(
        home / "specs", home / "specs/locks", "dev", channels=("forge",), repodata_alias=str(channels), cache=home / "c"
    )
    (home / "specs").mkdir(exist_ok=True)
    return run(Settings(source, "taken", site, force=True), write=True)


def asked(made: Outcome) -> list[str]:
    return [line.removeprefix("  - ") for line in made.spec.split("dependencies:\n")[1].splitlines() if "  - " in line]


def versions(made: Outcome) -> dict[str, str]:
    return {package.name: package.version for package in Lock.loads(made.lock).packages}


def test_an_environment(user: Conda, channels: Path) -> None:
    user.ok("create", "-y", "-n", "train", "tool", "alpha=1")
    made = take(user.home / "envs" / "train", user.home, channels)
    assert made.exact and asked(made) == ["alpha 1.*", "tool"]
    assert versions(made) == {"alpha": "1.0", "beta": "1.5", "tool": "3.1"}


def test_an_environment_made_from_an_explicit_list(user: Conda, channels: Path) -> None:
    user.ok("create", "-y", "-n", "one", "tool", "alpha=1")
    listed = user.home / "explicit.txt"
    listed.write_text(user.ok("list", "-n", "one", "--explicit", "--sha256"))
    user.ok("create", "-y", "-n", "two", "--file", listed)
    for source in (listed, user.home / "envs" / "two"):
        made = take(source, user.home, channels)
        assert made.exact and asked(made) == ["tool"] and versions(made)["alpha"] == "1.0"


def test_what_conda_writes_about_an_environment(user: Conda, channels: Path) -> None:
    user.ok("create", "-y", "-n", "train", "tool", "alpha=1")
    written = {
        "list.txt": user.ok("list", "-n", "train", "--export"),
        "md5.txt": user.ok("list", "-n", "train", "--explicit", "--md5"),
    }
    if user.name == "real":  # the fake does not export environments
        written["full.yml"] = user.ok("env", "export", "-n", "train")
        written["nobuilds.yml"] = user.ok("env", "export", "-n", "train", "--no-builds")
        written["asked.yml"] = user.ok("env", "export", "-n", "train", "--from-history")
    for name, text in written.items():
        (user.home / name).write_text(text)
        made = take(user.home / name, user.home, channels)
        assert versions(made) == {"alpha": "1.0", "beta": "1.5", "tool": "3.1"}, name
