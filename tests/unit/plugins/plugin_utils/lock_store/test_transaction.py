"""The journal of the locks: kills between any two writes, concurrent runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import transaction
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import promote

from tests.support.kills import Killed, kill_at
from tests.support.promotion_samples import NOW, Site, text


def test_transaction_killed_at_any_step_is_undone_or_completed(tmp_path: Path) -> None:
    whole = Site(tmp_path / "whole")
    old = whole.files()
    promote(whole.settings(), NOW, write=True)
    new = whole.files()
    states = []
    for moment in range(1, 40):
        site = Site(tmp_path / str(moment))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, moment)
            try:
                promote(site.settings(), NOW, write=True)
                break
            except Killed:
                pass
        for tier in ("test",):
            for env in ("train", "serve"):
                assert site.has(tier, env) in (site.old, site.new), "half a lock"
        left = {name: data for name, data in site.files().items() if not name.endswith(".new")}
        begun = transaction.JOURNAL in left
        states.append(begun)
        assert begun or left == old
        again = promote(site.settings(), NOW, write=True)
        assert not again.refusals and bool(again.warnings) == begun
        assert {name: data for name, data in site.files().items() if not name.endswith(".new")} == new
    assert states[0] is False and states.count(True) == 7, "six files and the journal's end"


def test_journal_is_not_completed_over_later_changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            promote(site.settings(), NOW, write=True)
    site.put("test", "train", text("2.0"))
    with pytest.raises(transaction.TransactionError, match=r"was changed since; compare .* then remove .*unfinished"):
        promote(site.settings(), NOW, write=True)


@pytest.mark.parametrize("journal", ["", "[]", '{"schema": 1}', '{"schema":1,"about":{},"files":[{"path":"../x"}]}'])
def test_malformed_journal_is_refused(site: Site, journal: str) -> None:
    (site.locks / transaction.JOURNAL).write_text(journal)
    with pytest.raises(transaction.TransactionError, match="malformed journal"):
        promote(site.settings(), NOW, write=True)


def test_second_transaction_at_the_same_time_is_refused(site: Site) -> None:
    with (
        transaction.exclusive_lock(site.locks),
        pytest.raises(transaction.TransactionError, match="another run of lock, promote or rollback is active"),
    ):
        promote(site.settings(), NOW, write=True)


def test_file_that_changed_meanwhile_is_not_replaced(site: Site) -> None:
    change = transaction.Change("test/train.conda-lock.yml", b"something else", b"x")
    with pytest.raises(transaction.TransactionError, match="was changed while this ran"):
        transaction.apply(site.locks, [change], {})
    assert site.has("test") == site.old


def test_missing_locks_folder_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(transaction.TransactionError, match="lockstep_locks_dir"):
        promote(site.settings(locks_dir=tmp_path / "none"), NOW, write=True)
