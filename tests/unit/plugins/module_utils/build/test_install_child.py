"""The child that downloads and links, with a channel that refuses for a moment, and one that falls silent."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build, install_child
from ansible_collections.lockstep.fleet.plugins.module_utils.build.rattler_errors import explain
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.tiny_channel import Channel, fetched_from, make_channel, make_store

FAST = build.Options(pip_check=False)


class Moody(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder, after one refusal each."""

    folder: Path
    refused: set[str]

    def do_GET(self) -> None:
        if self.path not in self.refused:
            self.refused.add(self.path)
            self.send_error(503)
            return
        data = (self.folder / self.path.lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return make_channel(tmp_path / "channel")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "root")


@pytest.fixture
def moody(channel: Channel) -> Iterator[str]:
    """Serve the channel; return its address."""
    handler = type("Handler", (Moody,), {"folder": channel.base, "refused": set()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_refusal_for_a_moment_fails_no_build(channel: Channel, store: Store, moody: str) -> None:
    plan = fetched_from(channel.plan("train", "beta", "gamma"), channel.url, moody)
    assert build.build(store, plan, FAST)["downloaded"] == ["beta", "gamma"]


def test_a_channel_that_falls_silent_is_not_waited_for(
    channel: Channel, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_child, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and answers nothing
        plan = fetched_from(channel.plan("train", "beta"), channel.url, f"http://127.0.0.1:{server.getsockname()[1]}")
        places = {"staging": str(tmp_path / "new"), "final": str(tmp_path / "final"), "pkgs": store.pkgs}
        request = {**plan.to_json(), **places, "full": False}
        reporter = install_child.Reporter(1, -1)
        with pytest.raises(TimeoutError, match="of beta not a byte came for") as raised:
            asyncio.run(install_child.watched(install_child.install(request, reporter), reporter))
    problem, understood = explain(str(raised.value), "", plan)
    assert understood and "the channel answers too slowly" in str(problem)


def test_work_that_takes_its_time_without_downloads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_child, "PATIENCE", 0.05)
    reporter = install_child.Reporter(1, -1)
    number = reporter.on_download_start(reporter.on_populate_cache_start(0, "beta"))
    reporter.on_download_completed(number)
    asyncio.run(install_child.watched(asyncio.sleep(0.5), reporter))


@pytest.mark.parametrize(("size", "says"), [(0, "file too short"), (1 << 20, "cannot be used")])
def test_a_rattler_that_is_cut_off_is_named(channel: Channel, store: Store, size: int, says: str) -> None:
    rattler = Path(str(store.rattler)) / "rattler"
    real = rattler.resolve()
    rattler.unlink()
    shutil.copytree(real, rattler)
    library = next(rattler.glob("*.so"))
    os.truncate(library, size)
    with pytest.raises(Problem, match=rf"the rattler runtime in {store.rattler} cannot be used.*") as raised:
        build.build(store, channel.plan("train", "beta"), FAST)
    assert says in str(raised.value) and "remove that folder" in str(raised.value)


@pytest.mark.parametrize(("script", "says"), [
    ("exit 127", "it ended with 127, and said nothing"),
    ("echo 'Traceback (most recent call last):' >&2; echo '  File x' >&2; echo 'ImportError: no json' >&2; exit 1",
     "Cause: ImportError: no json."),
])  # fmt: skip
def test_a_base_whose_python_does_not_run_is_named(channel: Channel, store: Store, script: str, says: str) -> None:
    Path(store.python).write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(Problem, match=rf"{store.python} cannot run the rattler runtime") as raised:
        build.build(store, channel.plan("train", "beta"), FAST)
    assert says in str(raised.value) and "Traceback" not in str(raised.value)
