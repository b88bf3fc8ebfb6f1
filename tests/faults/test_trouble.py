"""Full disks, bad channels, damaged caches, several runs: a clear message, nothing live touched, the next run heals."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import sha256_file
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.damage import damage_of
from tests.support.tiny_channel import Channel, fetched_from, make_channel, make_store

FAST = build.Options(pip_check=False)
BETA = "linux-64/beta-1.0-htiny_0.conda"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    channel = make_channel(tmp_path_factory.mktemp("channel"))
    channel.add("large", "1.0", {f"share/large/{i}": os.urandom(100_000) for i in range(20)})
    return channel


@pytest.fixture
def store(tmp_path: Path, channel: Channel) -> Store:
    """A root with train 1.0 live."""
    store = make_store(tmp_path / "root")
    build.build(store, channel.plan("train", "python", "alpha=1.0"), FAST)
    return store


def still_live(store: Store) -> None:
    """The old environment is whole and in use, and nothing half-made lies about."""
    name = store.published("train")
    assert name and damage_of(store.path("train", name), "hashes") == []
    code = "import alpha; print(alpha.__version__)"
    done = subprocess.run([f"{store.envs}/train/bin/python", "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout == "1.0\n"
    assert store.names("train") == [name]
    assert not [p for p in Path(store.path("train")).iterdir() if p.name.endswith((".new", ".trash"))]


# -- disks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,nr_inodes=3000", "tmpfs", place], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_lack_of_disk_space_is_reported_before_the_first_download(disk: Path, channel: Channel) -> None:
    store = make_store(disk / "root")
    plan = channel.plan("train", "python", "alpha", download_bytes=5_000_000)
    with pytest.raises(Problem) as caught:
        build.build(store, plan)
    assert "no room for environment train: about 19.5 MB needed" in str(caught.value)
    assert "lockstep-clean" in str(caught.value) and "nothing was downloaded" in str(caught.value)
    assert not list(Path(store.pkgs).iterdir())


def test_lack_of_inodes_is_reported(disk: Path, channel: Channel) -> None:
    store = make_store(disk / "root")
    plan = channel.plan(
        "train", *(name for name, _ in dict.fromkeys((n, 0) for n, _ in channel.entries)), download_bytes=1
    )
    for number in range(1800):
        (disk / str(number)).touch()
    with pytest.raises(Problem, match="inodes needed"):
        build.build(store, plan, build.Options(reserve=0))


@pytest.mark.parametrize("kilobytes", [4, 20, 60, 150, 400, 900, 1600, 2100])
def test_disk_that_fills_up_during_the_build_leaves_the_live_environment(
    disk: Path, channel: Channel, kilobytes: int
) -> None:
    store = make_store(disk / "root")
    build.build(store, channel.plan("train", "python", "alpha=1.0", download_bytes=1), FAST._replace(reserve=0))
    plan = channel.plan("train", "python", "alpha", "beta", "large", download_bytes=1)
    room = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - kilobytes * 1000))
    with pytest.raises(Problem) as caught:
        build.build(store, plan, FAST._replace(reserve=0))
    said = str(caught.value)
    assert ("disk is full" in said or "No space left" in said or "no room" in said) and "lockstep-clean" in said, said
    still_live(store)
    filler.unlink()
    assert build.build(store, plan, FAST._replace(reserve=0))["changed"]
    assert build.inspect(store, plan, "hashes").state == "complete"


def test_read_only_disk_is_reported(disk: Path, channel: Channel) -> None:
    store = make_store(disk / "root")
    build.build(store, channel.plan("train", "python", "alpha=1.0", download_bytes=1), FAST._replace(reserve=0))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(Problem, match=r"mounted read-only.*Remedy"):
        build.build(store, channel.plan("train", "python", "alpha", download_bytes=1), FAST._replace(reserve=0))


# -- channels --------------------------------------------------------------------------------------------------------


class Server:
    """The channel over http on loopback; `faults` maps a path to what happens there."""

    def __init__(self, base: Path) -> None:
        faults: dict[str, Callable[[http.server.BaseHTTPRequestHandler, bytes], None]] = {}
        asked: list[str] = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                asked.append(path)
                if path in faults:
                    faults[path](self, (base / path).read_bytes())
                else:
                    super().do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self.faults, self.asked = faults, asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(base)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def served(self, plan: InstallPlan, channel: Channel) -> InstallPlan:
        return fetched_from(plan, channel.url, self.url)


@pytest.fixture
def server(channel: Channel) -> Iterator[Server]:
    server = Server(channel.base)
    yield server
    server.server.shutdown()
    server.server.server_close()


def answer(code: int) -> Callable[[http.server.BaseHTTPRequestHandler, bytes], None]:
    return lambda handler, data: handler.send_error(code)


def other(handler: http.server.BaseHTTPRequestHandler, data: bytes) -> None:
    data = data.replace(b"plain text", b"other text")
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def cut(handler: http.server.BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (other, "not the file that was locked"),
        (answer(404), "does not have it"),
        (answer(403), "refuses access"),
        (cut, "breaks off"),
    ],
)
def test_damaged_package_is_refused(channel: Channel, store: Store, server: Server, fault: Any, says: str) -> None:
    plan = server.served(channel.plan("train", "python", "alpha", "beta"), channel)
    server.faults[BETA] = fault
    with pytest.raises(Problem) as caught:
        build.build(store, plan, FAST)
    said = str(caught.value)
    assert says in said and "beta-1.0-htiny_0" in said and f"{server.url}/{BETA}" in said and "Remedy" in said, said
    still_live(store)
    server.faults.clear()
    server.asked.clear()
    assert build.build(store, plan, FAST)["changed"]
    assert BETA in server.asked


def test_interrupted_download_is_retried(channel: Channel, store: Store, server: Server) -> None:
    plan = server.served(channel.plan("train", "python", "alpha", "beta"), channel)

    def once(handler: http.server.BaseHTTPRequestHandler, data: bytes) -> None:
        del server.faults[BETA]
        cut(handler, data)

    server.faults[BETA] = once
    result = build.build(store, plan, FAST)
    assert result["changed"] and "beta" in result["downloaded"] and result["downloaded_bytes"] > 10_000
    assert server.asked.count(BETA) > 1


def test_unreachable_channel_is_reported(channel: Channel, store: Store, server: Server) -> None:
    plan = server.served(channel.plan("train", "python", "alpha", "beta"), channel)
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(Problem, match="cannot be reached") as caught:
        build.build(store, plan, FAST)
    assert server.url in str(caught.value) and "lockstep_channel_alias" in str(caught.value)
    still_live(store)


def test_package_of_a_local_channel_is_verified(channel: Channel, store: Store, tmp_path: Path) -> None:
    """py-rattler itself does not verify the hash of an archive with a file:// url."""
    plan = channel.plan("train", "python", "alpha", "beta")
    copied = tmp_path / "mirror" / BETA
    copied.parent.mkdir(parents=True)
    copied.write_bytes((channel.base / BETA).read_bytes().replace(b"plain text", b"other text"))
    plan = fetched_from(plan, f"{channel.url}/{BETA}", copied.as_uri())
    assert copied.as_uri() in [package.url for package in plan.packages]
    with pytest.raises(Problem, match="not the file that was locked"):
        build.build(store, plan, FAST)
    copied.unlink()
    with pytest.raises(Problem, match="does not have it"):
        build.build(store, plan, FAST)
    still_live(store)


# -- caches ----------------------------------------------------------------------------------------------------------


def spoil_same_size(cache: Path) -> None:
    (cache / "share/beta/text").write_text("other text\n")


def spoil_truncated(cache: Path) -> None:
    (cache / "lib/libbeta.so.1").write_bytes(b"")


def spoil_missing(cache: Path) -> None:
    (cache / "share/beta/text").unlink()


def spoil_index(cache: Path) -> None:
    (cache / "info/index.json").write_text("{")


def spoil_with_its_list(cache: Path) -> None:
    """A file altered together with its own paths.json: what no check against the cache's list can see."""
    spoil_same_size(cache)
    listed = json.loads((cache / "info/paths.json").read_text())
    for item in listed["paths"]:
        if item["_path"] == "share/beta/text":
            item["sha256"] = sha256_file(str(cache / "share/beta/text"))
    (cache / "info/paths.json").write_text(json.dumps(listed))


@pytest.mark.parametrize("spoil", [spoil_same_size, spoil_truncated, spoil_missing, spoil_index, spoil_with_its_list])
def test_damaged_cache_is_repaired(channel: Channel, store: Store, spoil: Callable[[Path], None]) -> None:
    first = channel.plan("serve", "python", "alpha", "beta")
    build.build(store, first, FAST)
    cache = Path(store.pkgs, "beta-1.0-htiny_0")
    fs.chmod_folders(str(cache), 0o755)
    # a generation shares the file: it must be seen as damaged, and the next one must not be
    spoil(cache)
    plan = channel.plan("train", "python", "alpha", "beta", "gamma")
    assert build.build(store, plan, FAST)["changed"]
    final = Path(store.path("train", plan.digest[:12]))
    assert damage_of(str(final), "hashes") == []
    assert (final / "share/beta/text").read_text() == "plain text\n"
    assert (final / "lib/libbeta.so.1").stat().st_size > 100
    build.build(store, first, FAST._replace(verify="hashes"))
    assert build.inspect(store, first, "hashes").state == "complete"
    assert Path(store.path("serve", first.digest[:12]), "share/beta/text").read_text() == "plain text\n"


# -- several at once -------------------------------------------------------------------------------------------------

BUILD = """
import json, sys
sys.path[:0] = {path!r}
from tests.support.killed_build import open_store
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import InstallPlan
plan = InstallPlan.from_json(json.load(open(sys.argv[2])))
print(json.dumps(build.build(open_store(sys.argv[1]), plan, build.Options(pip_check=False))))
"""


def start(store: Store, plan: InstallPlan, to: Path) -> subprocess.Popen[str]:
    to.write_text(json.dumps(plan.to_json()))
    code = BUILD.format(path=[path for path in sys.path if path])
    return subprocess.Popen([sys.executable, "-c", code, store.root, str(to)], stdout=subprocess.PIPE, text=True)


def test_two_builds_of_one_environment_run_one_after_the_other(channel: Channel, store: Store, tmp_path: Path) -> None:
    plan = channel.plan("train", "python", "alpha", "beta", "large")
    runs = [start(store, plan, tmp_path / f"{i}.json") for i in range(3)]
    results = [json.loads(run.communicate()[0]) for run in runs]
    assert [result["files"] > 0 for result in results].count(True) == 1  # the others waited and found it built
    assert build.inspect(store, plan, "hashes").state == "complete"


def test_builds_of_several_environments_share_the_cache(channel: Channel, store: Store, tmp_path: Path) -> None:
    for turn in range(3):
        fs.remove(store.pkgs)
        plans = [channel.plan(f"env{turn}{i}", "python", "alpha", "beta", "gamma", "large") for i in range(3)]
        runs = [start(store, plan, tmp_path / f"{i}.json") for i, plan in enumerate(plans)]
        for run in runs:
            assert json.loads(run.communicate()[0])["changed"]
        for plan in plans:
            assert build.inspect(store, plan, "hashes").state == "complete"


def test_error_about_a_locked_environment_names_the_holder(channel: Channel, store: Store) -> None:
    store.lock_timeout = 0.2
    with Store(store.root).locked("train"), pytest.raises(Problem) as caught:
        build.build(store, channel.plan("train", "python", "alpha"), FAST)
    assert f"environment train is busy: another run (build, pid {os.getpid()}) has held it since 20" in str(
        caught.value
    )


def test_generation_in_use_is_never_removed_by_a_concurrent_clean(channel: Channel, store: Store) -> None:
    """Jobs start all the time while generations are published, retired and collected: none may lose its files."""
    old, new = (channel.plan("train", "python", f"alpha={version}") for version in ("1.0", "2.0"))
    build.stage(store, new, FAST)
    names = [plan.digest[:12] for plan in (old, new)]
    over = threading.Event()
    broken: list[str] = []
    runs = [0]
    code = "import time, sys; time.sleep(0.02); import alpha.part19; from alpha import __version__; print(sys.prefix)"

    def jobs() -> None:
        while not over.is_set():
            done = subprocess.run(
                [f"{store.root}/bin/lockstep-run", "train", "python", "-c", code], capture_output=True, text=True
            )
            runs[0] += 1
            if done.returncode:
                broken.append(done.stderr)

    workers = [threading.Thread(target=jobs) for _ in range(3)]
    for worker in workers:
        worker.start()
    removed, kept, began = 0, 0, time.monotonic()

    def enough() -> bool:
        """Twelve seconds, and on a slow machine as long as it takes to have seen something."""
        seconds = time.monotonic() - began
        return seconds > 12 and ((runs[0] > 20 and removed > 0) or seconds > 180)

    try:
        while not enough():
            for plan, name in zip((old, new), names, strict=True):
                build.stage(store, plan, FAST)
                store.activate("train", name)
                found = store.collect("train", keep_previous=0, min_age=0)
                removed, kept = removed + len(found["removed"]), kept + len(found["in_use"])
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert not broken, broken[:3]
    assert runs[0] > 20 and removed, (runs, removed, kept)
