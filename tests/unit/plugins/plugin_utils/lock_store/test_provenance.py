"""Provenance files: contents, repeatability, mode."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import promote

from tests.support.promotion_samples import NOW, Site


def test_provenance_is_repeatable_and_names_no_host_or_path(site: Site, tmp_path: Path) -> None:
    promote(site.settings(), NOW, write=True)
    first = site.files()
    other = Site(tmp_path / "other")
    promote(other.settings(), NOW + datetime.timedelta(hours=3), write=True)
    assert other.files() == first
    shown = first["test/train.provenance.json"].decode()
    assert "dev-1" not in shown and str(tmp_path) not in shown


def test_provenance_of_another_lock_is_ignored(site: Site) -> None:
    promote(site.settings(), NOW, write=True)
    data = (site.locks / "test/train.provenance.json").read_bytes()
    assert provenance.loads(data, site.new.encode()) and not provenance.loads(data, site.old.encode())
    for wrong in (b"", b"[]", b"{}", b"null", json.dumps({**json.loads(data), "rollback": {"at": 3}}).encode()):
        assert provenance.loads(wrong, site.new.encode()) is None


def test_provenance_is_readable_by_all(site: Site) -> None:
    mask = os.umask(0o077)
    try:
        promote(site.settings(), NOW, write=True)
    finally:
        os.umask(mask)
    assert (site.locks / "test/train.provenance.json").stat().st_mode & 0o777 == 0o644
