"""Solving: channel priority, dates, unreadable channels, platforms without a solution."""

import base64
import functools
import http.server
import threading

import pytest

from tests.support.lock_site import explained
from tests.support.small_channel import SmallChannel


def test_exclude_newer_hides_later_packages(site):
    site.spec("numpy")
    site.one(exclude_newer="2024-02-01")
    assert site.versions()["numpy"] == "1.26" and site.lock().value("exclude_newer") == "2024-02-01T00:00:00Z"
    site.one(
        exclude_newer="2024-02-20T02:00:00+02:00", upgrade=True
    )  # day 50 begins at 00:00 UTC, and that is included
    assert site.versions()["numpy"] == "2.0"
    site.one(exclude_newer="2024-02-20T01:59:59+02:00", upgrade=True)
    assert site.versions()["numpy"] == "1.26"


def test_first_channel_with_a_name_has_priority(site):
    own = SmallChannel(site.channel.folder, "ml")
    own.add("numpy", "1.0", "own_0")
    site.spec("numpy", "python")
    site.one(channels=("ml", "conda-forge"))
    assert site.versions()["numpy"] == "1.0" and site.lock().channels == ("ml", "conda-forge")
    urls = {p.name: p.url for p in site.lock().packages}
    assert urls["numpy"] == "https://conda.anaconda.org/ml/linux-64/numpy-1.0-own_0.conda"
    site.spec("conda-forge::numpy", "python")
    assert site.codes(channels=("conda-forge", "ml")) == [] and site.versions()["numpy"] == "2.0"


def test_channel_priority_holds_for_pinned_versions(site):
    SmallChannel(site.channel.folder, "ml").add("numpy", "1.0", "own_0")
    site.spec("numpy 2.*", "python")
    assert "unsolvable" in site.codes(channels=("ml", "conda-forge")), "the first channel with the name is the only one"
    site.spec("numpy 1.0", "python")
    site.one(channels=("ml", "conda-forge"))
    assert site.versions()["numpy"] == "1.0"


@pytest.mark.parametrize("missing", ["sha256", "md5"])
def test_channel_without_checksums_is_a_finding(site, missing):
    site.channel.add("bare", "1", "0", **{missing: None})
    site.spec("bare")
    outcome = site.one()
    assert [f.code for f in outcome.findings] == ["channel"] and "lacks its md5 or sha256" in outcome.findings[
        0
    ].message


def test_unreachable_channel_is_a_finding_without_its_password(site, tmp_path):
    site.spec("python")
    (finding,) = site.one(repodata_alias=str(tmp_path / "nowhere")).findings
    assert finding.code == "channel" and "lockstep_repodata_alias" in finding.remedy
    (finding,) = site.one(repodata_alias="http://127.0.0.1:9").findings
    assert finding.code == "channel" and "Connection refused" in finding.message
    (finding,) = site.one(repodata_alias="http://me:hunter2@127.0.0.1:9").findings
    assert "hunter2" not in finding.text()


class Asking(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to those who know the password."""

    def do_GET(self):
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:hunter2").decode():
            self.send_error(401)
        else:
            super().do_GET()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_mirror_with_a_password_is_used_and_not_written_to_the_lock(site):
    serve = functools.partial(Asking, directory=str(site.channel.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site.spec("python 3.12.*", "conda-forge::numpy")
        address = f"127.0.0.1:{server.server_port}"
        assert site.codes(repodata_alias=f"http://{address}") == ["channel"]
        assert site.codes(repodata_alias=f"http://me:hunter2@{address}/") == []
        server.shutdown()
    assert site.versions()["numpy"] == "2.0" and "hunter2" not in site.text() and "127.0.0.1" not in site.text()


def test_platform_without_a_solution_is_named(site):
    site.channel.add("numpy", "3.0", "py312_0", ["python 3.12.*"])
    site.spec("python", "numpy 3.*")
    text = explained(site, platforms=("linux-64", "osx-arm64"))
    assert "no solution for osx-arm64" in text and "train.yml:3:5: " in text
    assert text.endswith("solvable for linux-64 only: `platforms: [linux-64]`")
