"""A checkout in a folder whose specs are locked from a small channel, and its fixture."""

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings

from tests.support.small_channel import usual


class LockSite:
    """A checkout in a folder: specs, locks and the channel that they are solved from."""

    def __init__(self, folder: Path):
        self.channel = usual(folder / "channels")
        self.settings = Settings(
            folder / "envs",
            folder / "envs" / "locks",
            "dev",
            repodata_alias=str(folder / "channels"),
            cache=folder / "cache",
        )
        self.settings.envs_dir.mkdir()

    def spec(self, *dependencies, name="train", more=""):
        lines = "".join(f"  - {line}\n" for line in dependencies)
        (self.settings.envs_dir / f"{name}.yml").write_text(f"dependencies:\n{lines}{more}")

    def run(self, write=True, **changes):
        return run(replace(self.settings, **changes), write)

    def one(self, write=True, **changes):
        (outcome,) = self.run(write, **changes)
        return outcome

    def codes(self, **changes):
        return [finding.code for outcome in self.run(**changes) for finding in outcome.findings]

    def text(self, name="train"):
        return (self.settings.locks_dir / "dev" / f"{name}.conda-lock.yml").read_text()

    def lock(self, name="train"):
        return Lock.loads(self.text(name), name)

    def versions(self, platform="linux-64", name="train"):
        return {package.name: package.version for package in self.lock(name).of(platform)}


@pytest.fixture
def site(tmp_path):
    return LockSite(tmp_path)


def explained(site, **changes) -> str:
    outcome = site.one(**changes)
    assert [f.code for f in outcome.findings] == ["unsolvable"]
    return outcome.findings[0].text()
