"""Writing locks: killed runs, failing writes, concurrent runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.writing import complete
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import transaction

from tests.support.kills import Killed
from tests.support.paths import CHECKOUT


def test_killed_run_leaves_a_complete_lock(site):
    """A child makes two locks in turn, as fast as it can, and is killed at any moment."""
    script = (
        "import sys, dataclasses; sys.path.insert(0, 'collections')\n"
        "from pathlib import Path\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings\n"
        "from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.writing import complete\n"
        "folder = Path(sys.argv[1]); spec = folder / 'envs' / 'train.yml'\n"
        "s = Settings(folder / 'envs', folder / 'envs' / 'locks', 'dev', upgrade=True,\n"
        "                     repodata_alias=str(folder / 'channels'), cache=folder / 'cache')\n"
        "for turn in range(100000):\n"
        "    spec.write_text('dependencies: [python 3.12.*, numpy %s]' % ('<2' if turn % 2 else ''))\n"
        "    complete(s, write=True)\n"
        "    run(s, write=True)\n"
        "    print(turn, flush=True)\n"
    )
    folder, seen = site.settings.envs_dir.parent, set()
    for turn in range(5):
        child = subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert child.stdout.readline(), "it ended by itself"
        time.sleep(0.021 * turn)
        child.kill()
        child.wait()
        child.stdout.close()
        seen.add(site.versions()["numpy"])
    assert seen <= {"1.26", "2.0"}


def test_failing_write_leaves_the_old_lock_and_no_other_file(site, monkeypatch):
    site.spec("python")
    site.one()
    old = site.text()
    site.spec("python", "six")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        site.one()
    assert site.text() == old and [p.name for p in (site.settings.locks_dir / "dev").iterdir()] == [
        "train.conda-lock.yml"
    ]


def test_run_killed_at_any_rename_is_completed_by_the_next(site, monkeypatch):
    """Two locks move by `update`; both old locks satisfy their specs, so only the journal knows that they must move."""
    site.spec("python 3.12.*", "numpy <2")
    site.spec("python 3.12.*", "numpy <2", "six", name="serve")
    site.run()
    site.spec("python 3.12.*", "numpy")
    site.spec("python 3.12.*", "numpy", "six", name="serve")
    before = {name: site.text(name) for name in ("train", "serve")}
    replace_, states, left = Path.replace, [], ""
    for moment in range(1, 20):
        for name, text in before.items():
            (site.settings.locks_dir / "dev" / f"{name}.conda-lock.yml").write_text(text)
        count = 0

        def killed(path, target, moment=moment):
            nonlocal count
            count += 1
            if count == moment:
                raise Killed
            return replace_(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed)
            try:
                site.run(update=("numpy",))
                break
            except Killed:
                pass
        versions = [site.versions(name=name)["numpy"] for name in ("serve", "train")]
        begun = (site.settings.locks_dir / transaction.JOURNAL).exists()
        said = complete(site.settings, write=False)
        assert bool(said) == begun, "a check says so, and"
        assert [site.versions(name=name)["numpy"] for name in ("serve", "train")] == versions, "changes nothing"
        left = complete(site.settings, write=True)
        states.append((begun, versions, [site.versions(name=name)["numpy"] for name in ("serve", "train")]))
        assert not any(outcome.changed for outcome in site.run()), "and nothing is left to do"
    old, new = ["1.26", "1.26"], ["2.0", "2.0"]
    assert states == [(False, old, old), (True, old, new), (True, ["2.0", "1.26"], new)]
    assert left == "locks of serve, train for dev"


def test_second_run_at_the_same_time_is_refused(site):
    site.spec("python")
    site.settings.locks_dir.mkdir()
    with (
        transaction.exclusive_lock(site.settings.locks_dir),
        pytest.raises(transaction.TransactionError, match="another run of lock, promote or rollback is active"),
    ):
        site.one()
    assert list(site.settings.locks_dir.iterdir()) == []


def test_lock_that_changed_during_the_run_is_not_overwritten(site, monkeypatch):
    site.spec("python")
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    alone = transaction.exclusive_lock

    def late(folder):
        path.parent.mkdir(parents=True)
        path.write_text("of another run")
        return alone(folder)

    monkeypatch.setattr(transaction, "exclusive_lock", late)
    with pytest.raises(transaction.TransactionError, match="was changed while this ran; nothing was written"):
        site.one()
    assert path.read_text() == "of another run"
