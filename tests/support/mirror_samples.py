"""A site with locks, and a source of packages on loopback that can be told to misbehave; for tests of mirrors."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.locked_package import merge_depends
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, Package
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock_store import provenance
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.mirror import Outcome
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Choice, Extras, Settings, Sources

from tests.support.tiny_channel import Channel, make_channel, zip_of
from tests.support.waiting import PATIENCE

ALIAS = "https://conda.anaconda.org"
BIG = 400_000
BIG_FILE = "big-1.0-htiny_0.conda"


class Source:
    """Serves a folder. `faults`: by file name, what to do with the next requests for it: "cut:N" (N bytes, then close),
    "chunked" or "chunked:cut" (no length is told; closed after a part), "wrong", "status:N", "held" (the second half
    when the test sets `go`), "to:URL" (a redirect). `ranges` off: requests for parts are ignored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.faults, self.log = folder, dict[str, list[str]](), list[tuple[str, str, str]]()
        self.ranges, self.users, self.go = True, dict[str, str](), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request: Any) -> None:
        wanted = request.headers.get("Range") or ""
        self.log.append((request.path, wanted, request.headers.get("Authorization") or ""))
        name = request.path.rpartition("/")[2]
        probe = wanted == "bytes=0-0"
        fault = "" if probe or not self.faults.get(name) else self.faults[name].pop(0)
        path = self.folder / request.path.lstrip("/").removeprefix("t/secret-token/")
        path = path / "index.html" if path.is_dir() else path
        if fault.startswith("status:") or not path.is_file():
            return self.status(request, int(fault[7:] or 404) if fault else 404)
        if fault.startswith("to:"):
            return self.status(request, 302, fault[3:])
        data = path.read_bytes()
        if fault == "wrong":
            data = data[:-1] + bytes([data[-1] ^ 1])
        first, code = 0, 200
        if wanted and self.ranges:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            if int(start) >= len(data):
                return self.status(request, 416)
            first, code = int(start), 206
            total, data = len(data), data[first : int(end) + 1 if end else None]
        request.send_response(code)
        chunked = fault == "chunked" or fault.startswith("chunked:")
        request.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(data)))))
        request.send_header("Content-Type", "text/html" if path.name == "index.html" else "application/octet-stream")
        if code == 206:
            request.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{total}")
        request.end_headers()
        if chunked:
            for start in range(0, len(data), 50_000):
                if start and fault == "chunked:cut":
                    request.close_connection = True
                    return request.connection.close()
                part = data[start : start + 50_000]
                request.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            request.wfile.write(b"0\r\n\r\n")
        elif fault.startswith("cut:"):
            request.wfile.write(data[: int(fault[4:])])
            request.close_connection = True
            request.connection.close()
        else:
            if fault == "held":
                request.wfile.write(data[: len(data) // 2])
                request.wfile.flush()
                self.go.wait(PATIENCE)
                data = data[len(data) // 2 :]
            request.wfile.write(data)
        return None

    def status(self, request: Any, code: int, to: str = "") -> None:
        request.send_response(code)
        if to:
            request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def downloads(self, name: str = "") -> list[str]:
        """The ranges of requests for files (questions for sizes aside) whose path ends with a name."""
        return [wanted for path, wanted, _ in self.log if path.endswith(name) and wanted != "bytes=0-0"
                and "contents.json" not in path]  # fmt: skip

    def close(self) -> None:
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def source(folder: Path) -> Iterator[Source]:
    """A source that ends with the test."""
    served = Source(folder)
    try:
        yield served
    finally:
        served.close()


class Site:
    """`upstream/` (two channels, an installer, a rattler runtime's wheel), `locks/`, and mirrors made of them in
    `m*`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.upstream, self.locks = folder, folder / "upstream", folder / "locks"
        self.forge: Channel = make_channel(self.upstream / "forge")
        self.forge.add("big", "1.0", {"share/big": bytes(range(256)) * (BIG // 256)}, depends=("python >=3",))
        self.other = Channel(self.upstream / "other" / "label" / "rc")
        self.other.add("stranger", "1.0", {"share/stranger": b"s"})
        installer, wheel = "Miniconda3-py312_26.5.3-1-Linux-x86_64.sh", "py_rattler-1-cp310-abi3-linux_x86_64.whl"
        self.extras = Extras(
            ("py312_26.5.3-1",),
            {installer: self.plain(f"miniconda/{installer}")},
            ({"linux-64": {"file": wheel, "sha256": self.plain(f"rattler/{wheel}")}},),
        )

    def add_old(self, name: str) -> Package:
        """Put an archive of the first format (.tar.bz2) upstream; returns it as a lock has it."""
        index = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
        member = tarfile.TarInfo("info/index.json")
        text, out = json.dumps(index).encode(), io.BytesIO()
        member.size = len(text)
        with tarfile.open(fileobj=out, mode="w:bz2") as tar:
            tar.addfile(member, io.BytesIO(text))
        path = f"forge/linux-64/{name}-1.0-0.tar.bz2"
        sha256, md5 = self.plain(path, out.getvalue()), hashlib.md5(out.getvalue()).hexdigest()
        return Package("conda", name, "linux-64", "1.0", "0", f"{ALIAS}/{path}", md5, sha256)

    def plain(self, path: str, data: bytes = b"#!/bin/sh\n") -> str:
        """Put a file that is no package upstream; returns its sha256."""
        (self.upstream / path).parent.mkdir(parents=True, exist_ok=True)
        (self.upstream / path).write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def package(self, wanted: str, platform: str = "linux-64", **more: Any) -> Package:
        """A package of a lock, `name` or `name=version`, of either channel; `more` replaces what it would hold."""
        name, _, version = wanted.partition("=")
        channel, base = (self.other, "other/label/rc") if name == "stranger" else (self.forge, "forge")
        entry = [e for (n, v), e in channel.entries.items() if n == name and version in ("", v)][-1]
        url = f"{ALIAS}/{base}/{entry['subdir']}/{entry['file_name']}"
        values = {
            "sha256": entry["sha256"],
            "md5": entry["md5"],
            "dependencies": merge_depends(entry["depends"]),
        } | more
        return Package(manager="conda", name=name, platform=platform, version=entry["version"], build=entry["build"],
                       url=url, **values)  # fmt: skip

    def lock(self, tier: str, env: str, *wanted: str | Package, previous: bool = False, **more: Any) -> Path:
        """Write a tier's lock."""
        packages = tuple(self.package(one) if isinstance(one, str) else one for one in wanted)
        channels = more.pop("channels", ("forge", "other/label/rc") if "stranger" in wanted else ("forge",))
        platforms = tuple(sorted({p.platform for p in packages}))
        path = self.locks / provenance.lock_path(tier, env, previous)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Lock(packages, platforms, channels, **more).dumps())
        return path

    def usual(self) -> None:
        """dev is ahead of prod by a version of alpha; prod keeps a former lock."""
        self.lock("dev", "train", "python", "alpha=2.0", "big")
        self.lock("prod", "train", "python", "alpha=1.0")
        self.lock("prod", "train", "python", "gamma", previous=True)

    def settings(self, alias: str, name: str = "m", **more: Any) -> Settings:
        """For a mirror in `<folder>/<name>` from an address."""
        choice = {key: more.pop(key) for key in ("chosen", "envs", "platforms", "channels") if key in more}
        bare = alias.partition("/t/")[0]
        values = {"extras": self.extras,
                  "sources": Sources(alias, f"{bare}/miniconda", f"{bare}/rattler")} | more  # fmt: skip
        return Settings(self.folder / name, self.locks, Choice(("dev", "test", "prod"), **choice), **values)

    def mirror(self, alias: str, name: str = "m", write: bool = True, **more: Any) -> Outcome:
        """Make a mirror."""
        return run(self.settings(alias, name, **more), write)


def whole(dest: Path) -> list[str]:
    """What is in a mirror that is being served: nothing listed that is not there and right; returns listed archives."""
    listed = []
    for path in sorted(dest.rglob("repodata.json")):
        data = json.loads(path.read_bytes())
        for name, record in {**data["packages"], **data["packages.conda"]}.items():
            found = (path.parent / name).read_bytes()
            assert hashlib.sha256(found).hexdigest() == record["sha256"] and len(found) == record["size"], name
            assert hashlib.md5(found).hexdigest() == record["md5"]
            listed.append((path.parent / name).relative_to(dest).as_posix())
    if (dest / "contents.json").exists():
        for file in json.loads((dest / "contents.json").read_text())["files"]:
            assert hashlib.sha256((dest / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    return listed


def tree_of(dest: Path) -> dict[str, bytes]:
    """All files that clients may read, by path."""
    return {path.relative_to(dest).as_posix(): path.read_bytes() for path in sorted(dest.rglob("*"))
            if path.is_file() and ".lockstep" not in path.parts}  # fmt: skip


def wheel(site: Site, name: str = "demo", version: str = "1.0") -> Callable[[str], Package]:
    """Put a wheel upstream; returns its entry for a lock, by the source's address."""
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    info = f"{name}-{version}.dist-info"
    tag = b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    data = zip_of({f"{name}.py": b"", f"{info}/METADATA": meta, f"{info}/WHEEL": tag, f"{info}/RECORD": b""})
    file = f"{name}-{version}-py3-none-any.whl"
    sha256 = site.plain(f"wheels/{file}", data)
    return lambda url: Package("pip", name, "linux-64", version, "", f"{url}/wheels/{file}", "", sha256)
