"""The child that downloads and links one environment with py-rattler; a program of its own (Python 3.10 or newer).

Reads one JSON request from standard input: {"rattler runtime", "packages", "channel", "staging", "final", "pkgs",
"full",
"lock": descriptor of the environment's lock, whose file it keeps up to date with how far it is}; writes one JSON
answer to standard output: {"error": text or "", "package": stem or "", "downloaded": [names], "bytes": n, "failed":
[names of packages whose post-link script failed]}. It ends in `os._exit`, since an interpreter's ordinary exit
sometimes crashes here after success; whoever started it verifies the tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote, urlsplit

RETRIES = 3  # of a request that the channel refuses for the moment
PATIENCE = 300.0  # seconds without a byte of any download: the rattler runtime itself would wait for ever


class Reporter:
    """Counts what is downloaded and linked; py-rattler calls these methods and passes the returned numbers back.

    :param total: number of packages
    :param lock: descriptor of the lock's file that is kept up to date (`locks.tell`)
    """

    def __init__(self, total: int, lock: int) -> None:
        self.names: list[str] = []
        self.downloads: dict[int, tuple[str, int]] = {}
        self.total, self.lock = total, lock
        self.ready = self.linked = 0
        self.told = float("-inf")
        self.scripts: list[str] = []
        self.failed: list[str] = []
        self.fetching: set[int] = set()
        self.moved = time.monotonic()

    def tell(self) -> None:
        """Write into the lock's file how far this is, at most once a second; only for messages, so it never fails."""
        self.moved = now = time.monotonic()
        if now - self.told < 1:
            return
        self.told = now
        size = sum(size for _unused, size in self.downloads.values()) / 1e6
        fetched = f", {size:.0f} MB fetched" if size else ""
        doing = f"has {self.ready} of {self.total} packages{fetched}, {self.linked} linked"
        with contextlib.suppress(OSError, ValueError, TypeError):
            sign = json.dumps({**json.loads(os.pread(self.lock, 4096, 0)), "doing": doing}).encode()
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, sign, 0)

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        """Return a token for this package."""
        self.names.append(package_name)
        return len(self.names) - 1

    def on_download_start(self, cache_entry: int) -> int:
        """Note that a package comes from its channel, not from the cache."""
        self.downloads.setdefault(cache_entry, (self.names[cache_entry], 0))
        self.fetching.add(cache_entry)
        self.moved = time.monotonic()
        return cache_entry

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        """Note how far a download is, in bytes."""
        self.downloads[download_idx] = (self.downloads[download_idx][0], progress)
        self.tell()

    def on_download_completed(self, download_idx: int) -> None:
        """Note that a download has ended."""
        self.fetching.discard(download_idx)
        self.moved = time.monotonic()

    def stalled(self) -> str:
        """Return the names of what is being downloaded if no byte has come for long, else ""."""
        if not self.fetching or time.monotonic() - self.moved < PATIENCE:
            return ""
        return ", ".join(sorted(self.names[number] for number in self.fetching))

    def on_populate_cache_complete(self, cache_entry: int, *_arguments: Any) -> None:
        """Note that one more package is in the cache."""
        self.fetching.discard(cache_entry)
        self.ready += 1
        self.tell()

    def on_link_complete(self, *_arguments: Any) -> None:
        """Note that one more package is in the environment."""
        self.linked += 1
        self.tell()

    def on_post_link_start(self, package_name: str, *_arguments: Any) -> int:
        """Return a token for this package's script."""
        self.scripts.append(package_name)
        return len(self.scripts) - 1

    def on_post_link_complete(self, index: int, success: bool) -> None:
        """Note a script that failed, which the rattler runtime takes for no failure."""
        if not success:
            self.failed.append(self.scripts[index])

    def _token(self, *_arguments: Any) -> int:
        return 0

    on_transaction_start = on_transaction_operation_start = on_transaction_operation_complete = _token
    on_transaction_complete = on_validate_start = on_validate_complete = _token
    on_unlink_start = on_unlink_complete = on_link_start = _token
    on_pre_unlink_start = on_pre_unlink_complete = _token


def check_local(package: dict[str, Any]) -> str:
    """Return what is wrong with an archive with a file:// url, which py-rattler takes without looking at its hash."""
    if not package["url"].startswith("file://"):
        return ""
    path = unquote(urlsplit(package["url"]).path)
    total = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    if total.hexdigest() != package["sha256"]:
        return f"hash mismatch of {path}: expected {package['sha256']}, got {total.hexdigest()}"
    return ""


async def install(request: dict[str, Any], reporter: Reporter) -> None:
    """Link the packages into the staging folder as if it were at its final path."""
    from rattler import BuildString, PackageRecord, RepoDataRecord
    from rattler import install as link
    from rattler.networking import AuthenticationMiddleware, Client, RetryMiddleware
    from rattler.package_cache import PackageCache, ValidationMode

    records = [
        RepoDataRecord(
            PackageRecord(
                p["name"],
                p["version"],
                BuildString(p["build"]),
                p["build_number"],
                p["subdir"],
                noarch=p.get("noarch"),
                depends=p["depends"],
                md5=bytes.fromhex(p["md5"]) if p["md5"] else None,
                sha256=bytes.fromhex(p["sha256"]),
                python_site_packages_path=p.get("python_site_packages_path"),
            ),
            p["file_name"],
            p["url"],
            request["channel"],
        )
        for p in request["packages"]
    ]
    mode = ValidationMode.full() if request["full"] else ValidationMode.fast()
    await link(
        records,
        target_prefix=request["staging"],
        alternative_target_prefix=request["final"],
        package_cache=PackageCache.new_layered([request["pkgs"]], validation_mode=mode),
        show_progress=False,
        execute_link_scripts=True,
        # the default one reads no netrc and no RATTLER_AUTH_FILE
        client=Client([RetryMiddleware(RETRIES), AuthenticationMiddleware()]),
        reporter=reporter,
    )


async def watched(work: Coroutine[Any, Any, None], reporter: Reporter) -> None:
    """Wait for the work, but not for a channel that sends nothing any more.

    :raises TimeoutError: naming the packages that did not come
    """
    task = asyncio.ensure_future(work)
    while not (await asyncio.wait({task}, timeout=min(5.0, PATIENCE / 4)))[0]:
        if stalled := reporter.stalled():
            raise TimeoutError(f"timed out: of {stalled} not a byte came for {PATIENCE:.0f} s")
    await task


def main() -> int:
    """Serve one request; return the exit code."""
    request = json.load(sys.stdin)
    sys.path.insert(0, request["rattler"])
    reporter, error, culprit, missing = Reporter(len(request["packages"]), request["lock"]), "", "", []
    for package in request["packages"]:
        stem = "{name}-{version}-{build}".format(**package)
        if os.path.isdir(os.path.join(request["pkgs"], stem)):
            continue
        missing.append(package["name"])
        error = check_local(package)
        if error:
            culprit = stem
            break
    if not error:
        try:
            asyncio.run(watched(install(request, reporter), reporter))
        except BaseException as why:  # py-rattler raises panics as BaseException; whatever it is, it is reported
            error = str(why) or type(why).__name__
    json.dump(
        {
            "error": error,
            "package": culprit,
            "downloaded": [] if error else sorted({*missing, *(name for name, _unused in reporter.downloads.values())}),
            "bytes": sum(size for _unused, size in reporter.downloads.values()),
            "failed": sorted(reporter.failed),
        },
        sys.stdout,
    )
    sys.stdout.flush()
    return 1 if error else 0


if __name__ == "__main__":
    os._exit(main())
