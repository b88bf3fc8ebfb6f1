"""A site whose channel, specs and locks lie in a folder, with environments to import; and its fixture."""

import json
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.findings import errors
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import Outcome, Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings as Site
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec

from tests.support.small_channel import usual

SITE = "lib/python3.12/site-packages"


FULL = """\
name: data
channels: [conda-forge]
dependencies:
  - libblas=3.9=1_openblas
  - libffi=3.4.2=h7f98852_5
  - libgcc-ng=11.2.0=h1d223b6_16
  - _openmp_mutex=5.1=1_gnu
  - numpy=1.26=py312_0
  - openssl=3.4.1=h7b32b05_0
  - python=3.12.1=h1_0_cpython
  - readline=8.2=h8228510_1
  - six=1.17=pyhd_0
"""


class ImportSite:
    """A site in a folder: its channel, its specs and locks, and what people have lying about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channel = usual(folder / "channels")
        for subdir in ("linux-64", "osx-arm64"):
            self.channel.add("pytorch", "2.5.1", "cpu_generic_0", ["python"], subdir=subdir)
            self.channel.add("pytorch-cpu", "2.5.1", "cpu_generic_0", ["pytorch 2.5.1 cpu*"], subdir=subdir)
            self.channel.add("numpy", "1.26", "py313_0", ["python 3.13.*", "libblas"], subdir=subdir)
            self.channel.add("openssl", "3.4.1", "h7b32b05_0", subdir=subdir)
            self.channel.add("libffi", "3.4.2", "h7f98852_5", subdir=subdir)
            self.channel.add("readline", "8.2", "h8228510_1", subdir=subdir)
        self.channel.add("pytorch", "2.5.1", "cuda126_0", ["python", "cuda-version >=12.6,<13", "__cuda"], number=200)
        self.channel.add("pytorch-gpu", "2.5.1", "cuda126_0", ["pytorch 2.5.1 cuda*"])
        self.channel.add("nccl", "2.20", "0")
        self.channel.add("libgcc", "14.2", "0")
        self.channel.add("pip", "24.0", "pyhd_0", ["python"], subdir="noarch")
        self.channel.add("scikit-learn", "1.6", "py312_0", ["python 3.12.*", "numpy"], subdir="noarch")
        self.channel.add("requests", "2.32.3", "pyhd_0", ["python"], subdir="noarch")
        (folder / "envs").mkdir()

    def settings(self, source, name="", force=False, python="", **other) -> Settings:
        values = {
            "envs_dir": self.folder / "envs", "locks_dir": self.folder / "envs/locks", "tier": "dev",
            "repodata_alias": str(self.folder / "channels"), "cache": self.folder / "cache",
        } | other  # fmt: skip
        return Settings(Path(source), name, Site(**values), force, python)

    def take(self, text, name="train", file="environment.yml", write=True, **other) -> Outcome:
        source = self.folder / file
        source.write_text(text)
        return run(self.settings(source, name, **other), write)

    def prefix(self, *packages, history="", name="old", **records) -> Path:
        """Write conda-meta of channel packages given as "name version [build]"."""
        prefix = self.folder / name
        meta = prefix / "conda-meta"
        meta.mkdir(parents=True)
        for text in packages:
            found = [
                dict(r, url=f"https://conda.anaconda.org/conda-forge/{subdir}/{file}", files=[])
                for (subdir, file), r in self.channel.records.items()
                if f"{r['name']} {r['version']} {r['build']}".startswith(text) and subdir != "osx-arm64"
            ]
            record = found[-1] | records.get(found[-1]["name"].replace("-", "_"), {})
            (meta / "{name}-{version}-{build}.json".format(**record)).write_text(json.dumps(record))
        (meta / "history").write_text(history)
        return prefix


@pytest.fixture
def site(tmp_path):
    return ImportSite(tmp_path)


def dependencies(made) -> list[str]:
    """What the spec asks for; a spec that was made must be without errors."""
    read, findings = environment_spec.read(made.spec, "x", made.name, ["conda-forge"])
    assert not errors(findings), findings
    return [dependency.match.text for dependency in read.dependencies]


def noted(made, *parts) -> bool:
    return any(all(part in note.line() for part in parts) for note in made.notes)


def versions(made, platform="linux-64") -> dict[str, str]:
    return {p.name: p.version for p in Lock.loads(made.lock).of(platform)}
