"""An import from beginning to end."""

import asyncio
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, plan
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import atomic_write
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.findings import errors
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.outcome import ImportFailed, Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run as make_locks
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings as Site

from tests.support.import_site import FULL
from tests.support.tiny_channel import make_channel, make_store


def test_generation_is_imported_with_the_same_digest(tmp_path):
    """Built by py-rattler from a lock, read from its files, locked again: the same digest."""
    from rattler.index import index_fs

    channel = make_channel(tmp_path / "channels" / "forge")
    asyncio.run(index_fs(channel.base, write_shards=False, force=True))
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/train.yml").write_text("dependencies: [alpha ==1.0, beta]\nvariables: {WHAT: it's}\n")
    site = Site(
        tmp_path / "envs", tmp_path / "envs/locks", "dev", channels=("forge",), cache=tmp_path / "cache",
        repodata_alias=str(tmp_path / "channels"),
    )  # fmt: skip
    (first,) = make_locks(site, write=True)
    assert not errors(first.findings)
    made = plan(Lock.loads(first.new_text), "train", "linux-64", channel_alias=(tmp_path / "channels").as_uri())
    store = make_store(tmp_path / "root")
    built = generation.build(store, made, generation.Options(pip_check=False))
    prefix = Path(store.path("train", built["name"]))

    outcome = run(Settings(prefix, "again", site), write=True)
    assert (
        outcome.exact
        and f"exactly the 3 conda packages of the environment, digest {built['name']}" in outcome.summary[-1]
    )
    again = Lock.loads((tmp_path / "envs/locks/dev/again.conda-lock.yml").read_text())
    assert plan(again, "again", "linux-64").digest == made.digest
    text = (tmp_path / "envs/again.yml").read_text()
    assert "  - alpha\n" in text and "  - beta\n" in text and 'WHAT: "it\'s"' in text
    # and the ordinary locking finds nothing to do
    outcomes = make_locks(site, write=False)
    assert [(outcome.name, outcome.changed) for outcome in outcomes] == [("again", False), ("train", False)]


def test_existing_environment_is_replaced_only_with_force(site):
    first = site.take("dependencies: [python=3.12]\n")
    again = site.take("dependencies: [python=3.12]\n")
    assert first.changed and not again.changed, "the same again is no replacement"
    with pytest.raises(ImportFailed, match=r"envs/train.yml.*an environment of that name already exists"):
        site.take("dependencies: [python=3.12, six]\n")
    assert "six" not in (site.folder / "envs/train.yml").read_text()
    made = site.take("dependencies: [python=3.12, six]\n", force=True)
    assert made.changed and "six" in (site.folder / "envs/train.yml").read_text()
    assert "  + six 1.17 pyhd_0" in made.difference


def test_killed_import_is_completed_by_the_next(site, monkeypatch):
    writes = []
    real = atomic_write.write

    def dies_at_the_second(path, text):
        writes.append(path)
        if len(writes) == 2:
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(atomic_write, "write", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        site.take("dependencies: [python=3.12]\n")
    assert (site.folder / "envs/train.yml").exists() and not (site.folder / "envs/locks/dev").exists()
    monkeypatch.setattr(atomic_write, "write", real)
    assert site.take("dependencies: [python=3.12]\n").changed
    assert (site.folder / "envs/locks/dev/train.conda-lock.yml").exists()


def test_environment_name_is_required_and_valid(site):
    with pytest.raises(ImportFailed, match="give it a name with -e env=train"):
        site.take("dependencies: [python=3.12]\n", name="")
    with pytest.raises(ImportFailed, match="give it a name"):
        site.take("dependencies: [python=3.12]\n", name="../x")


def test_same_source_gives_the_same_bytes(site):
    one, two = site.take(FULL, write=False), site.take(FULL, write=False)
    assert (one.spec, one.lock, one.notes) == (two.spec, two.lock, two.notes)


def test_locking_the_imported_spec_changes_nothing(site):
    made = site.take(FULL)
    (outcome,) = make_locks(site.settings("x", "train").site, write=False)
    assert not outcome.changed and not errors(outcome.findings) and outcome.new_text == made.lock


def test_import_puts_the_smoke_test_of_the_spec_into_the_lock(site):
    assert Lock.loads(site.take("dependencies: [python=3.12]\n").lock).custom.get("smoke_test") is None
    (site.folder / "envs/train.smoke.py").write_text("import sys\n")
    again = site.take("dependencies: [python=3.12]\n", force=True)
    assert again.changed and Lock.loads(again.lock).smoke_test == "import sys\n"
    assert (site.folder / "envs/train.smoke.py").read_text() == "import sys\n"
