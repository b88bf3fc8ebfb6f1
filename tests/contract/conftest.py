"""What the contract suite runs against: the fake, in a tiny prefix made here, and a real conda where one is."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.subjects import Conda, install_fake, solver, write_channel, write_package


@pytest.fixture(scope="session")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two channels, `forge` and `other`; as a channel alias its address makes both names."""
    folder = tmp_path_factory.mktemp("channels")
    write_channel(folder / "forge")
    write_package(folder / "other", "stranger", "1.0", {"share/stranger.txt": "stranger\n"})
    write_package(folder / "other", "alpha", "9.0", {"share/alpha.txt": "alpha 9.0\n"})
    from rattler.index import index_fs

    asyncio.run(index_fs(folder / "other", write_shards=False, force=True))
    return folder


@pytest.fixture(scope="session")
def served(channels: Path) -> Iterator[str]:
    """The address of both channels over HTTP, on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(channels)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def fake_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fake") / "base"
    install_fake(root)
    return root


REAL = "LOCKSTEP_REAL_CONDA"


@pytest.fixture(params=["fake", "real"] if os.environ.get(REAL) else ["fake"])
def conda(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Conda]:
    """A conda with an empty home; its caches and environments lie in that home."""
    variables = {}
    if request.param == "real":
        root = Path(os.environ[REAL]).absolute().parents[1]
        if os.environ.get("CONDA_SOLVER"):
            variables["CONDA_SOLVER"] = os.environ["CONDA_SOLVER"]
    else:
        root = request.getfixturevalue("fake_root")
    home = tmp_path / "home"
    home.mkdir()
    system_rc = root / ".condarc"
    if system_rc.exists():
        pytest.fail(f"{system_rc} exists: this suite needs a base without one, to write it and take it away")
    yield Conda(root, home, request.param, variables)
    system_rc.unlink(missing_ok=True)


@pytest.fixture
def user(conda: Conda, channels: Path) -> Conda:
    """As `conda`, configured for the tiny channel `forge`."""
    conda.rc.write_text(
        f"channels: [forge]\nchannel_alias: {channels.as_uri()}\nchannel_priority: strict\nauto_activate: false\n"
        f"pkgs_dirs: [{conda.home}/pkgs]\nenvs_dirs: [{conda.home}/envs]\nsolver: {solver(conda)}\n"
    )
    return conda
