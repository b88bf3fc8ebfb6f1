"""Describe the difference of two locks for a reviewer: packages, variants (CUDA, BLAS, ...), settings."""

from __future__ import annotations

from collections.abc import Mapping

from . import variants
from .locked_package import Package
from .lockfile import SMOKE_TEST, Lock


def diff(old: Lock | None, new: Lock | None) -> list[str]:
    """Return lines: for each platform a heading, then `!` warnings, `~` changed, `+` added and `-` removed packages."""
    lines = _settings(old, new)
    was, now = (lock.custom.get(SMOKE_TEST) if lock else None for lock in (old, new))
    if was != now:
        lines.append(f"! smoke test {'added' if was is None else 'removed' if now is None else 'changed'}")
    for platform in sorted({*(old.platforms if old else ()), *(new.platforms if new else ())}):
        before = {p.name: p for p in old.of(platform)} if old else {}
        after = {p.name: p for p in new.of(platform)} if new else {}
        if before == after:
            continue
        if not before:
            lines.append(f"{platform}: new, {len(after)} packages")
            continue
        changed = [name for name in before.keys() & after.keys() if before[name] != after[name]]
        added, removed = after.keys() - before.keys(), before.keys() - after.keys()
        lines.append(f"{platform}: {len(changed)} changed, {len(added)} added, {len(removed)} removed")
        if old and new and before and after:
            lines += [f"  ! {line}" for line in _variants(before, after)]
        for name in sorted({*changed, *added, *removed}):
            if name in added:
                lines.append(f"  + {name} {_version(after[name])}")
            elif name in removed:
                lines.append(f"  - {name} {_version(before[name])}")
            else:
                lines.append(f"  ~ {name} {_change(before[name], after[name])}")
    return lines


def _settings(old: Lock | None, new: Lock | None) -> list[str]:
    """Return lines on changed platforms, channels and metadata of a lock."""
    if old is None or new is None:
        return []
    lines = []
    if gone := sorted(set(old.platforms) - set(new.platforms)):
        lines.append(f"! no longer locked for {', '.join(gone)}")
    if old.channels != new.channels:
        lines.append(f"! channels {', '.join(old.channels)} -> {', '.join(new.channels)}")
    for key in sorted(set(old.custom) | set(new.custom)):
        if old.custom.get(key) != new.custom.get(key) and key not in ("download_bytes", SMOKE_TEST):
            lines.append(f"! {key} {old.custom.get(key, 'none')} -> {new.custom.get(key, 'none')}")
    return lines


def _variants(before: Mapping[str, Package], after: Mapping[str, Package]) -> list[str]:
    lines = []
    old, new = variants.of_environment(list(before.values())), variants.of_environment(list(after.values()))
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name):
            lines.append(f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}")
    for name in sorted(before.keys() & after.keys()):
        was, now = variants.of_package(before[name]), variants.of_package(after[name])
        if was and now and was != now:
            lines.append(f"{name} was built for {was}, now for {now}")
        if before[name].url == after[name].url and before[name].sha256 != after[name].sha256:
            lines.append(f"{name}: the same url has other contents (sha256): find out why before you trust it")
    return lines


def _version(package: Package) -> str:
    return f"{package.version} {package.build}" if package.manager == "conda" else f"{package.version} (pip)"


def _change(old: Package, new: Package) -> str:
    if old.manager != new.manager:
        return f"{_version(old)} -> {_version(new)}: from {old.manager} to {new.manager}"
    if old.version != new.version:
        return f"{old.version} -> {new.version}"
    if old.build != new.build:
        return f"{old.version} (build {old.build} -> {new.build})"
    if old.url != new.url:
        return f"{old.version} (url {old.url} -> {new.url})"
    return f"{old.version} ({'contents' if old.sha256 != new.sha256 else 'dependencies'} changed)"
