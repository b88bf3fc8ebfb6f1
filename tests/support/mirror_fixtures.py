"""Fixtures of a site to mirror and of its source; conftest.py of the tests that use them imports them."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.download import Fetcher

from tests.support.mirror_samples import Site, Source, source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What all tests start from."""
    site = Site(tmp_path_factory.mktemp("made"))
    site.usual()
    return site


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    found = copy.copy(made)
    found.folder, found.upstream, found.locks = tmp_path / "site", tmp_path / "site/upstream", tmp_path / "site/locks"
    shutil.copytree(made.folder, found.folder, symlinks=True)
    return found


@pytest.fixture
def served(site: Site) -> Iterator[Source]:
    with source(site.upstream) as one:
        yield one


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Retry without delays, and without the user's own credentials."""
    monkeypatch.setattr(Fetcher.__init__, "__defaults__", (None, None, lambda count: None, 0.01, 5.0))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
