# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH100, PTH111
"""Solve, fetch and link, by py-rattler; then put right what it leaves otherwise than conda does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from . import VERSION
from .channels import resolve
from .errors import Failure, unknown
from .prefixes import register
from .settings import Settings, writable_file

T = TypeVar("T")
_EXPLICIT = re.compile(r"(?P<url>.+/(?P<fn>[^/#]+(?:\.conda|\.tar\.bz2)))(?:#(?P<hash>.+))?$")


def _await(job: Awaitable[T]) -> T:
    async def inner() -> T:
        return await job

    return asyncio.run(inner())


def cache_for_writing(settings: Settings) -> str:
    """The first package cache that this user may write to; made if it is not there yet.

    :raises Failure: `NoWritablePkgsDirError`
    """
    for cache in settings.pkgs_dirs:
        magic = Path(cache, "urls.txt")
        writable = writable_file(str(magic))
        if writable is None:
            try:
                magic.parent.mkdir(parents=True, exist_ok=True)
                magic.touch()
                Path(cache, "urls").touch()
            except OSError:
                continue
            return cache
        if writable:
            return cache
    listed = "".join(f"\n  - {cache}" for cache in settings.pkgs_dirs)
    raise Failure(
        "NoWritablePkgsDirError",
        f"No writeable pkgs directories configured.{listed}\n",
        pkgs_dirs=settings.pkgs_dirs,
    )


def refuse_what_is_not_done(settings: Settings) -> None:
    """Stop where the configuration asks for something that this fake would silently leave out.

    :raises Failure: exit code 2
    """
    keys = ("always_copy", "always_softlink", "disallowed_packages", "pinned_packages", "download_only", "use_local")
    for key in keys:
        if settings.get(key):
            raise unknown(f"the configuration sets {key}, which is not supported here")


def solve(specs: list[str], channels: list[str], settings: Settings) -> list[Any]:
    """Find the packages for specs, from these channels only.

    :param channels: as configured, first wins
    :returns: py-rattler's records
    :raises Failure: `NoChannelsConfiguredError`, `PackagesNotFoundInChannelsError`, `UnsatisfiableError`,
        `InvalidMatchSpec`, `CondaHTTPError`
    """
    import rattler
    from rattler.exceptions import InvalidMatchSpecError, SolverError

    if not channels:
        raise Failure("NoChannelsConfiguredError", "No channels have been configured: cannot solve.")
    offline = bool(settings.get("offline"))
    platforms = [settings.subdir, "noarch"]
    bases = [c.base for name in channels for c in resolve(name, settings)]
    if offline:
        bases = [base for base in bases if base.startswith("file://")]
    action = "force-cache-only" if offline else "cache-or-fetch"
    config = rattler.SourceConfig(sharded_enabled=False, cache_action=action)
    gateway = rattler.Gateway(cache_dir=Path(cache_for_writing(settings), "cache"), default_config=config)
    sources = [rattler.Channel(base) for base in dict.fromkeys(bases)]
    priority = rattler.ChannelPriority
    order = {"strict": [priority.Strict], "disabled": [priority.Disabled]}
    # Asked for `alpha=9`, py-rattler's gateway fetches no other alpha, so the solver does not see that a better channel
    # has the name, and strict priority is passed by. The bare name beside it brings them all.
    bare = [_bare_name(spec) for spec in specs if "::" not in spec]
    for attempt in order.get(settings.get("channel_priority"), [priority.Strict, priority.Disabled]):
        try:
            return _await(
                rattler.solve(
                    sources=sources,
                    specs=[*specs, *bare],
                    gateway=gateway,
                    platforms=platforms,
                    virtual_packages=rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env()),
                    channel_priority=attempt,
                    add_pip_as_python_dependency=bool(settings.get("add_pip_as_python_dependency")),
                )
            )
        except SolverError as error:
            failure = error
        except InvalidMatchSpecError as error:
            raise Failure("InvalidMatchSpec", str(error)) from None
        except Exception as error:  # py-rattler's other errors are about fetching: say which, no traceback
            raise Failure("CondaHTTPError", f"cannot read the channels {', '.join(bases)}: {error}") from None
    missing = [spec for spec in specs if not _await(_any(gateway, sources, platforms, spec))]
    if missing:
        listed = "".join(f"\n  - {spec}" for spec in missing)
        where = "".join(f"\n  - {base}" for base in bases)
        message = "The following packages are not available from current channels:\n"
        message += f"{listed}\n\nCurrent channels:\n{where}\n"
        raise Failure("PackagesNotFoundInChannelsError", message, packages=missing, channel_urls=bases)
    raise Failure("UnsatisfiableError", f"The specs cannot be satisfied together:\n{failure}")


def _bare_name(spec: str) -> str:
    """The name in a spec: `alpha` of `alpha >=1`, `alpha=1=0`, `alpha[version=1]`."""
    return re.split(r"[\s=<>!~\[,]", spec.strip(), maxsplit=1)[0]


async def _any(gateway: Any, sources: list[Any], platforms: list[str], spec: str) -> bool:
    found = await gateway.query(sources=sources, platforms=platforms, specs=[spec], recursive=False)
    return any(records for records in found)


def explicit_lines(path: Path) -> list[str]:
    """The addresses of an `@EXPLICIT` file (CEP 23), or none when it is no such file."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return [line for line in lines if line != "@EXPLICIT"] if "@EXPLICIT" in lines else []


def explicit_records(lines: list[str], settings: Settings) -> list[Any]:
    """py-rattler's records for addresses with an optional hash behind `#`: md5, sha256 or `sha256:...`.

    :raises Failure: `ParseError`
    """
    import rattler

    found = []
    for line in lines:
        text = line if "://" in line else Path(os.path.abspath(os.path.expanduser(line.partition("#")[0]))).as_uri()
        text += "#" + line.partition("#")[2] if "://" not in line and "#" in line else ""
        match = _EXPLICIT.match(text)
        digest = (match["hash"] or "").removeprefix("sha256:") if match else ""
        parts = re.sub(r"\.(conda|tar\.bz2)$", "", match["fn"]).rsplit("-", 2) if match else []
        if not match or len(parts) != 3 or (digest and not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", digest)):
            raise Failure("ParseError", f"Could not parse explicit URL: {line}")
        folder = match["url"].rsplit("/", 1)[0]
        subdir = folder.rsplit("/", 1)[1]
        record = rattler.PackageRecord(
            name=unquote(parts[0]),
            version=unquote(parts[1]),
            build=rattler.BuildString(unquote(parts[2])),
            build_number=0,
            subdir=subdir,
            noarch=_noarch(subdir, unquote(parts[2])),
            md5=bytes.fromhex(digest) if len(digest) == 32 else None,
            sha256=bytes.fromhex(digest) if len(digest) == 64 else None,
        )
        channel = resolve(folder, settings)[0].base
        found.append(rattler.RepoDataRecord(record, match["fn"], match["url"], channel))
    return found


def _noarch(subdir: str, build: str) -> Any:
    """What a file name tells of noarch; linking follows the archive's own `link.json` anyway."""
    if subdir != "noarch":
        return None
    return "python" if build.startswith("py") else "generic"


def _show_shared(records: list[Any], view: str, settings: Settings) -> str:
    """Fill a folder with links to what other caches have of these packages.

    py-rattler opens a lock file beside each package for writing, which it may not do in another user's cache. So it
    gets a folder of this user's, with links to the packages and lock files of its own, and without the right to add to
    it: by that py-rattler knows a cache that is only for reading.

    :param view: an empty folder, to be thrown away afterwards
    :returns: the folder
    """
    for record in records:
        stem = re.sub(r"\.(conda|tar\.bz2)$", "", record.file_name)
        for cache in settings.pkgs_dirs:
            lock = Path(cache, f"{stem}.lock")  # holds the archive's sha256, which py-rattler compares
            if (
                Path(view).parent != Path(cache)
                and Path(cache, stem, "info", "index.json").is_file()
                and lock.is_file()
            ):
                Path(view, stem).symlink_to(Path(cache, stem))
                shutil.copyfile(lock, Path(view, lock.name))
                break
    Path(view).chmod(0o555)
    return view


def link(records: list[Any], specs: list[str], prefix: str, settings: Settings) -> None:
    """Make an environment of exactly these packages.

    :param specs: what was asked for, for the history
    :raises Failure: fetching or linking failed
    """
    import rattler

    cache = cache_for_writing(settings)
    ours = not Path(prefix).exists()
    view = tempfile.mkdtemp(prefix=".shared-", dir=cache)
    layers = [cache, _show_shared(records, view, settings)]
    previous = os.umask(0o022)
    try:
        Path(prefix, "conda-meta").mkdir(parents=True, exist_ok=True)
        _await(
            rattler.install(
                records,
                target_prefix=prefix,
                package_cache=rattler.PackageCache.new_layered(layers),
                execute_link_scripts=True,
                show_progress=False,
                requested_specs=[],
            )
        )
    except Exception as error:
        if ours:
            shutil.rmtree(prefix, ignore_errors=True)
        if "hash mismatch" in str(error):
            message = f"Conda detected a mismatch between the expected content and downloaded content:\n{error}"
            raise Failure("ChecksumMismatchError", message) from None
        raise Failure("CondaError", f"cannot make {prefix}: {error}") from None
    finally:
        os.umask(previous)
        Path(view).chmod(0o755)
        shutil.rmtree(view, ignore_errors=True)
    normalise(records, specs, prefix, settings, cache)


def normalise(records: list[Any], specs: list[str], prefix: str, settings: Settings, cache: str) -> None:
    """Put right what py-rattler leaves otherwise than conda: modes, records, history, the cache's list of addresses."""
    meta = Path(prefix, "conda-meta")
    for path in meta.glob("*.json"):
        path.chmod(0o644)
        _complete(path, settings)
    with suppress(FileNotFoundError):
        Path(prefix, "CACHEDIR.TAG").unlink()
    scripts = Path(prefix, "bin")
    for script in scripts.iterdir() if scripts.is_dir() else ():
        mode = script.lstat().st_mode
        if stat.S_ISREG(mode) and mode & 0o022 and script.stat().st_nlink == 1:
            script.chmod(stat.S_IMODE(mode) & ~0o022)
    known = Path(cache, "urls.txt")
    listed = set(known.read_text(encoding="utf-8").splitlines())
    with known.open("a", encoding="utf-8") as file:
        for record in records:
            folder = re.sub(r"\.(conda|tar\.bz2)$", "", record.file_name)
            if record.url not in listed and Path(cache, folder).is_dir():
                file.write(f"{record.url}\n")
    _history(records, specs, meta, settings)
    stamp = meta / "created_at"
    if not stamp.exists():
        stamp.write_text(str(time.time()), encoding="utf-8")
    register(prefix, settings)


def _complete(path: Path, settings: Settings) -> None:
    """Fill a record from the package's own `index.json`, and its history of specs."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for cache in settings.pkgs_dirs:
        index = Path(cache, path.stem, "info", "index.json")
        if index.is_file():
            for key, value in json.loads(index.read_text(encoding="utf-8")).items():
                if key == "noarch" or not record.get(key):
                    record[key] = value
            break
    archive = urlsplit(str(record.get("url") or ""))
    if archive.scheme == "file" and Path(unquote(archive.path)).is_file():
        data = Path(unquote(archive.path)).read_bytes()
        record["md5"] = record.get("md5") or hashlib.md5(data, usedforsecurity=False).hexdigest()
        record["sha256"] = record.get("sha256") or hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _history(records: list[Any], specs: list[str], meta: Path, settings: Settings) -> None:
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), f"# cmd: {' '.join(sys.argv)}", f"# conda version: {VERSION}"]
    for record in sorted(records, key=lambda r: str(r.name.normalized)):
        channel = resolve(record.url, settings)[0].canonical
        folder = re.sub(r"\.(conda|tar\.bz2)$", "", record.file_name)
        lines.append(f"+{channel}/{record.subdir}::{folder}")
    if specs:
        lines.append(f"# update specs: {specs}")
    with (meta / "history").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
