"""The package index for pip and uv."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.simple import simple_pages

from tests.support.mirror_samples import Site, Source, source, wheel


def test_wheels_become_a_package_index_for_pip(site: Site, served: Source) -> None:
    demo = wheel(site)(served.url)
    site.lock("dev", "train", "python", demo)
    site.mirror(served.url)
    page = (site.folder / "m/simple/demo/index.html").read_text()
    assert f'<a href="demo-1.0-py3-none-any.whl#sha256={demo.sha256}">' in page
    assert '<a href="demo/">demo</a>' in (site.folder / "m/simple/index.html").read_text()
    (site.folder / "r.txt").write_text(f"demo==1.0 --hash=sha256:{demo.sha256}\n")
    with source(site.folder / "m") as mirror:
        for place in ((site.folder / "m/simple").as_uri(), f"{mirror.url}/simple/"):
            options = ["-q", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir"]
            command = [sys.executable, "-m", "pip", "download", *options, "--index-url", place]
            done = subprocess.run(
                [*command, "-d", str(site.folder / "got"), "-r", str(site.folder / "r.txt")],
                capture_output=True, text=True, env={**os.environ, "PIP_CONFIG_FILE": os.devnull}, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            got = (site.folder / "got/demo-1.0-py3-none-any.whl").read_bytes()
            assert hashlib.sha256(got).hexdigest() == demo.sha256
            shutil.rmtree(site.folder / "got")
    site.lock("dev", "train", "python")
    site.mirror(served.url, prune=True)
    assert not (site.folder / "m/simple").exists()


def test_pages_escape_file_names() -> None:
    page = simple_pages({'simple/a/a-1+"<b>".whl': "00"})["simple/a/index.html"].decode()
    assert "<b>" not in page and "&lt;b&gt;" in page
