# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH112, PTH113, PTH114, PTH118, PTH208
"""`conda clean`: what real conda would remove, judged as it judges.

A cache counts when its `urls.txt` is there and writable. A package folder is unused when no file in it has a second
hard link, however it is used otherwise; so is an archive. Soft links into the cache, copies and installs in progress
are not seen: that is conda's judgement too.
"""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import Failure, dry_run
from .settings import Settings, writable_file
from .show import print_json

Sizes = dict[str, dict[str, int]]
ARCHIVES = (".tar.bz2", ".conda")


def caches(settings: Settings) -> list[str]:
    """Package caches that this user may write to."""
    return [path for path in settings.pkgs_dirs if writable_file(os.path.join(path, "urls.txt"))]


def _linked_once(path: str) -> int | None:
    """The size of a file, or None when it has more than one link."""
    status = os.lstat(path)
    return None if status.st_nlink > 1 else status.st_size


def _folder(path: str) -> int | None:
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            size = _linked_once(os.path.join(root, name))
            if size is None:
                return None
            total += size
    return total


def unused(settings: Settings, size: Callable[[str, str], int | None]) -> dict[str, Any]:
    """Entries of all caches that `size` gives a number for, as conda's JSON has them."""
    warnings: list[str] = []
    sizes: Sizes = {}
    for cache in caches(settings):
        for name in os.listdir(cache):
            try:
                found = size(cache, name)
            except OSError as error:
                warnings.append(f"WARNING: {os.path.join(cache, name)}: {error}")
                continue
            if found is not None:
                sizes.setdefault(cache, {})[name] = found
    return {
        "warnings": warnings,
        "pkg_sizes": sizes,
        "pkgs_dirs": {cache: list(names) for cache, names in sizes.items()},
        "total_size": sum(sum(names.values()) for names in sizes.values()),
    }


def _package(cache: str, name: str) -> int | None:
    path = os.path.join(cache, name)
    return _folder(path) if os.path.isdir(os.path.join(path, "info")) else None


def _archive(cache: str, name: str) -> int | None:
    path = os.path.join(cache, name)
    return _linked_once(path) if name.removesuffix(".partial").endswith(ARCHIVES) and os.path.isfile(path) else None


def human(size: int) -> str:
    """Bytes as conda writes them: `1 KB`, `9.5 MB`."""
    if size < 1024:
        return f"{size} B"
    if size < 1024**2:
        return f"{round(size / 1024)} KB"
    return f"{size / 1024**2:.1f} MB" if size < 1024**3 else f"{size / 1024**3:.2f} GB"


class Cleaner:
    """Tells what will go, asks, removes."""

    def __init__(self, args: Namespace, settings: Settings) -> None:
        self.quiet = bool(args.json or settings.get("quiet"))
        self.verbose = args.verbose > 0
        self.dry = bool(settings.get("dry_run"))
        self.yes = bool(settings.get("always_yes"))
        self.json = bool(args.json)

    def say(self, text: str) -> None:
        """Print, unless told to be quiet."""
        if not self.quiet:
            print(text)

    def confirm(self) -> None:
        """Ask, unless the answer was given."""
        if not self.yes and not self.json:
            confirm("Proceed", default="yes")

    def remove(self, paths: list[str]) -> None:
        """Remove files and folders; what cannot be removed is named, and the rest goes on."""
        for path in paths:
            try:
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    Path(path).unlink(missing_ok=True)
            except OSError as error:
                self.say(f"WARNING: cannot remove, file permissions: {path}\n{error!r}")
            else:
                if self.verbose:
                    self.say(f"Removed {path}")

    def packages(self, found: dict[str, Any], name: str) -> None:
        """Remove unused packages or archives."""
        for warning in found["warnings"]:
            self.say(warning)
        count = sum(len(names) for names in found["pkg_sizes"].values())
        if not count:
            self.say(f"There are no unused {name} to remove.")
            return
        if self.verbose:
            self.say(f"Will remove the following {name}:")
            for cache, names in found["pkg_sizes"].items():
                self.say(f"  {cache}\n  {'-' * len(cache)}")
                for entry, size in names.items():
                    self.say(f"  - {entry:<40} {human(size):>10}")
                self.say("")
            self.say(f"{'-' * 17}\nTotal: {human(found['total_size']):>10}\n")
        else:
            self.say(f"Will remove {count} ({human(found['total_size'])}) {name}.")
        if not self.dry:
            self.confirm()
            self.remove([os.path.join(cache, e) for cache, names in found["pkg_sizes"].items() for e in names])

    def items(self, paths: list[str], name: str) -> None:
        """Remove other files and folders."""
        if not paths:
            self.say(f"There are no {name} to remove.")
            return
        if self.verbose:
            self.say(f"Will remove the following {name}:\n" + "".join(f"  - {path}\n" for path in paths))
        else:
            self.say(f"Will remove {len(paths)} {name}.")
        if not self.dry:
            self.confirm()
            self.remove(paths)


def confirm(question: str, default: str) -> None:
    """Ask for yes or no.

    :raises Failure: the answer is no (exit code 0, as in conda)
    """
    while True:
        options = "[y]/n" if default == "yes" else "y/[n]"
        print(f"{question} ({options})? ", end="", flush=True)
        answer = sys.stdin.readline().strip().lower() or default
        if answer in ("y", "yes"):
            print(flush=True)
            return
        if answer in ("n", "no"):
            print(flush=True)
            raise Failure("CondaSystemExit", "Exiting.", code=0)
        print(f"Invalid choice: {answer}")


def clean(args: Namespace, settings: Settings) -> int:
    """`conda clean -p -t -i -l -c -a [-y] [--dry-run] [--json]`."""
    cleaner = Cleaner(args, settings)
    result: dict[str, Any] = {"success": True}
    if not (args.all or args.tarballs or args.index_cache or args.packages or args.tempfiles or args.logfiles):
        message = "At least one removal target must be given. See 'conda clean --help'."
        raise Failure("ArgumentError", message, code=2)
    if args.tarballs or args.all:
        result["tarballs"] = unused(settings, _archive)
        cleaner.packages(result["tarballs"], "tarball(s)")
    if args.index_cache or args.all:
        folders = [path for cache in caches(settings) if os.path.isdir(path := os.path.join(cache, "cache"))]
        result["index_cache"] = {"files": folders}
        cleaner.items(folders, "index cache(s)")
    if args.packages or args.all:
        result["packages"] = unused(settings, _package)
        cleaner.packages(result["packages"], "package(s)")
    if args.tempfiles or args.all:
        walk = os.walk(sys.prefix)
        files = [os.path.join(root, n) for root, _, names in walk for n in names if n.endswith((".c~", ".trash"))]
        result["tempfiles"] = files
        cleaner.items(files, "tempfile(s)")
    if args.logfiles or args.all:
        logs = [str(path) for cache in caches(settings) for path in sorted(Path(cache, ".logs").glob("*"))]
        result["logfiles"] = logs
        cleaner.items(logs, "logfile(s)")
    if args.json:
        print_json(result)
    if cleaner.dry:
        raise dry_run()
    return 0
