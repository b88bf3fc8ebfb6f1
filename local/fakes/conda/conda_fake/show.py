# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH110, PTH111, PTH118
"""Commands that only read: info, list, env list, config."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from . import VERSION
from .channels import configured, parts, resolve
from .errors import Failure, unknown
from .prefixes import (
    details,
    dist_fields,
    in_order,
    is_frozen,
    known_prefixes,
    name_of,
    pip_packages,
    records,
    require_environment,
)
from .settings import KEYS, NAMES, Settings


def print_json(value: Any, **options: Any) -> None:
    """Print JSON for machines."""
    print(json.dumps(value, indent=2, **options))


def virtual_packages() -> list[list[str]]:
    """What the machine offers to the solver (name, version, build), with conda's own version."""
    import rattler

    overrides = rattler.VirtualPackageOverrides.from_env()
    found = [package.into_generic() for package in rattler.VirtualPackage.detect(overrides)]
    rows = [[p.name.normalized, str(p.version), str(p.build_string)] for p in found]
    return sorted([*rows, ["__conda", VERSION, "0"]])


def channel_urls(names: list[str], settings: Settings) -> list[str]:
    """Addresses of channels, one for each platform."""
    platforms = (settings.subdir, "noarch")
    return [f"{c.base}/{subdir}" for name in names for c in resolve(name, settings) for subdir in platforms]


def info(args: Namespace, settings: Settings) -> int:
    """`conda info [--json] [--base] [--envs]`."""
    if args.base:
        if args.json:
            print_json({"root_prefix": settings.root_prefix})
        else:
            print(settings.root_prefix)
        return 0
    if args.envs:
        return env_list(args, settings)
    found = facts(settings)
    if args.json:
        print_json(found)
        return 0

    def lines(values: list[str]) -> str:
        return ("\n" + 26 * " ").join(values)

    rows: list[tuple[str, Any]] = [("active environment", found["active_prefix_name"])]
    if found["active_prefix"]:
        rows.append(("active env location", found["active_prefix"]))
    if found["conda_shlvl"] >= 0:
        rows.append(("shell level", found["conda_shlvl"]))
    rows += [
        ("user config file", found["user_rc_path"]),
        ("populated config files", lines(found["config_files"])),
        ("conda version", f"{VERSION} (a fake, not conda)"),
        ("python version", found["python_version"]),
        ("solver", found["solver"]["name"]),
        ("virtual packages", lines(["=".join(row) for row in found["virtual_pkgs"]])),
        ("base environment", f"{found['root_prefix']}  ({'writable' if found['root_writable'] else 'read only'})"),
        ("channel URLs", lines(found["channels"])),
        ("package cache", lines(found["pkgs_dirs"])),
        ("envs directories", lines(found["envs_dirs"])),
        ("temporary directory", found["tmp_dir"]),
        ("platform", found["platform"]),
        ("user-agent", found["user_agent"]),
        ("UID:GID", f"{found['UID']}:{found['GID']}"),
        ("offline mode", found["offline"]),
    ]
    print("\n" + "\n".join(f"{name:>23} : {value}" for name, value in rows) + "\n")
    return 0


def facts(settings: Settings) -> dict[str, Any]:
    """What `conda info --json` holds."""
    envs = known_prefixes(settings)
    user_rc = os.path.expanduser("~/.condarc")
    known = {k: v for k, v in os.environ.items() if k.startswith(("CONDA", "PYTHON")) or k.endswith("PATH")}
    active = settings.active_prefix
    return {
        "platform": settings.subdir,
        "conda_version": VERSION,
        "conda_env_version": VERSION,
        "conda_build_version": "not installed",
        "root_prefix": settings.root_prefix,
        "conda_prefix": settings.conda_prefix,
        "av_data_dir": os.path.join(settings.conda_prefix, "etc", "conda"),
        "av_metadata_url_base": None,
        "root_writable": settings.root_writable,
        "pkgs_dirs": settings.pkgs_dirs,
        "envs_dirs": settings.envs_dirs,
        "default_prefix": settings.default_prefix,
        "active_prefix": active,
        "active_prefix_name": (name_of(active, settings) or active) if active else None,
        "conda_shlvl": int(os.environ.get("CONDA_SHLVL") or -1),
        "channels": channel_urls(configured(settings, []), settings),
        "user_rc_path": user_rc,
        "rc_path": user_rc,
        "sys_rc_path": os.path.join(settings.conda_prefix, ".condarc"),
        "offline": settings.get("offline"),
        "envs": envs,
        "envs_details": {prefix: details(prefix, settings) for prefix in envs},
        "python_version": ".".join(map(str, sys.version_info)),
        "requests_version": "not installed",
        "user_agent": f"conda/{VERSION} CPython/{platform.python_version()} {platform.system()}/{platform.release()}",
        "conda_location": str(Path(__file__).parent),
        "config_files": settings.config_files,
        "netrc_file": None,
        "virtual_pkgs": virtual_packages(),
        "solver": {"name": settings.get("solver"), "user_agent": "solver/rattler", "default": True},
        "tmp_dir": tempfile.gettempdir(),
        "UID": os.geteuid(),
        "GID": os.getegid(),
        "sys.version": sys.version,
        "sys.prefix": sys.prefix,
        "sys.executable": sys.executable,
        "site_dirs": [],
        "env_vars": known,
    }


def env_list(args: Namespace, settings: Settings) -> int:
    """`conda env list [--json]`, `conda info --envs`."""
    prefixes = known_prefixes(settings)
    if args.json:
        print_json({"envs": prefixes, "envs_details": {prefix: details(prefix, settings) for prefix in prefixes}})
        return 0
    print("\n# conda environments:\n#\n# * -> active\n# + -> frozen")
    for prefix in prefixes:
        active = "*" if settings.active_prefix and os.path.normpath(settings.active_prefix) == prefix else " "
        print(f"{name_of(prefix, settings):20} {active} {'+' if is_frozen(prefix) else ' '} {prefix}")
    print()
    return 0


def list_packages(args: Namespace, settings: Settings, prefix: str) -> int:
    """`conda list [REGEX] [--json | --explicit [--md5 | --sha256] | --export | --canonical]`."""
    require_environment(prefix)
    if args.md5 and args.sha256:
        raise Failure("ArgumentError", "Only one of --md5 and --sha256 can be specified at the same time", code=2)
    conda = records(prefix)
    if args.explicit:
        print(_header(settings) + "@EXPLICIT")
        for record in in_order(conda):
            digest = record.get("md5") if args.md5 else record.get("sha256") if args.sha256 else None
            url = record.get("url")
            print(f"# no URL for: {record.get('fn')}" if not url else f"{url}#{digest}" if digest else url)
        return 0
    listed = sorted([*conda, *(pip_packages(prefix, conda) if args.pip else [])], key=lambda r: str(r["name"]))
    if args.regex:
        wanted = re.compile(f"^{re.escape(args.regex)}$" if args.full_name else args.regex, re.IGNORECASE)
        listed = [record for record in listed if wanted.search(str(record["name"]))]
        if not listed and args.full_name:
            message = f"Package is not installed in prefix.\n  prefix: {prefix}\n  package name: {args.regex}\n"
            raise Failure("PackageNotInstalledError", message)
        if not listed:
            raise Failure("CondaValueError", f"No packages match '{args.regex}'.")
    if args.reverse:
        listed = listed[::-1]
    if args.json:
        print_json([dist_fields(record, settings) for record in listed])
    elif args.export:
        print(_header(settings), end="")
        for record in listed:
            print(f"{record['name']}={record['version']}={record['build']}")
    elif args.canonical:
        for record in listed:
            shown = dist_fields(record, settings)
            print(f"{_channel_name(record, settings)}/{shown['platform']}::{shown['dist_name']}")
    else:
        _table(prefix, [_row(record, settings) for record in listed])
    return 0


def _header(settings: Settings) -> str:
    return (
        "# This file may be used to create an environment using:\n# $ conda create --name <env> --file <this file>\n"
        f"# platform: {settings.subdir}\n# created-by: conda {VERSION}\n"
    )


def _channel_name(record: dict[str, Any], settings: Settings) -> str:
    if record["channel"] == "pypi":
        return "pypi"
    return resolve(str(record.get("url") or record["channel"]), settings)[0].canonical


def _row(record: dict[str, Any], settings: Settings) -> list[str]:
    channel = _channel_name(record, settings)
    shown = settings.get("show_channel_urls")
    hidden = shown is False or (shown is None and channel == "defaults")
    return [str(record["name"]), str(record["version"]), str(record["build"]), "" if hidden else channel]


def _table(prefix: str, rows: list[list[str]]) -> None:
    titles = ["Name", "Version", "Build", "Channel"]
    widths = [max([least, *(len(row[i]) for row in rows)]) for i, least in enumerate((23, 15, 15, 1))]
    print(f"# packages in environment at {prefix}:\n#")
    print(("# " + "  ".join(f"{t:{w}}" for t, w in zip(titles, widths, strict=True))).rstrip())
    widths[0] += 2
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


# config


def _shown(name: str, settings: Settings, as_json: bool) -> Any:
    if name in ("envs_dirs", "pkgs_dirs", "root_prefix", "subdir"):
        return getattr(settings, name)
    if name == "channels":
        return configured(settings, [])
    if name in ("channel_alias", "default_channels", "custom_channels"):
        return _shown_channels(name, settings, as_json)
    value = settings.get(name)
    return list(value) if isinstance(value, tuple) else value


def _shown_channels(name: str, settings: Settings, as_json: bool) -> Any:
    """Keys whose values conda turns into channels: objects in JSON, addresses in text."""
    alias = settings.get("channel_alias").rstrip("/")
    if name == "channel_alias":
        return parts(alias, alias) if as_json else alias
    defaults = [resolve(str(value), settings)[0].base for value in settings.get("default_channels")]
    if name == "default_channels":
        return [parts(base, alias) for base in defaults] if as_json else defaults
    listed = {str(parts(base, alias)["name"]): (base, "") for base in defaults}
    listed.update({str(key): (str(value), str(key)) for key, value in settings.get(name).items()})
    objects = {key: parts(address, alias, given) for key, (address, given) in listed.items()}
    return objects if as_json else {key: f"{o['scheme']}://{o['location']}" for key, o in objects.items()}


def _yaml(values: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {k}: {v}" for k, v in value.items())] if value else [f"{name}: {{}}"]
        elif isinstance(value, (list, tuple)):
            lines += [f"{name}:", *(f"  - {item}" for item in value)] if value else [f"{name}: []"]
        else:
            lines.append(f"{name}: {value}")
    return lines


def config(args: Namespace, settings: Settings, prefix: str) -> int:
    """`conda config --show [KEY...] | --show-sources | --get [KEY...] | --validate`: reading only."""
    if args.show_sources:
        collected = settings.collected()
        if args.json:
            print(json.dumps(collected, sort_keys=True))
        else:
            print("\n".join(line for k, v in collected.items() for line in (f"==> {k} <==", *_yaml(v), "")))
        return 0
    if args.show is not None:
        strange = [key for key in args.show if key not in NAMES]
        if strange:
            raise unknown(f"configuration keys that real conda may know: {', '.join(strange)}")
        names = sorted(dict.fromkeys(NAMES[key] for key in args.show) if args.show else KEYS)
        values = {name: _shown(name, settings, args.json) for name in names}
        print(json.dumps(values, indent=2, sort_keys=True) if args.json else "\n".join(_yaml(values)))
        settings.validate()
        return 0
    if args.validate:
        settings.collected()
        settings.validate()
        return 0
    if args.get is not None:
        return _get(args, settings, prefix)
    raise unknown("conda config: this reads only: --show, --show-sources, --get, --validate")


def _get(args: Namespace, settings: Settings, prefix: str) -> int:
    settings.collected()
    user_rc = os.path.expanduser("~/.condarc")
    system_rc = os.path.join(settings.conda_prefix, ".condarc")
    if args.system:
        path = system_rc
    elif args.file:
        path = args.file
    elif args.env:
        path = os.path.join(settings.active_prefix, ".condarc") if settings.active_prefix else user_rc
    elif args.prefix or args.name:
        require_environment(prefix)
        path = os.path.join(prefix, ".condarc")
    else:
        path = user_rc
    from . import condarc

    read = path if os.path.exists(path) else system_rc
    try:
        nodes = condarc.load(Path(read)) if os.path.exists(read) else {}
    except condarc.Unreadable as error:
        raise Failure("CondaError", str(error)) from None
    warnings = []
    found: dict[str, Any] = {}
    for key in args.get or sorted(nodes):
        if key in nodes:
            found[key] = nodes[key].plain()
        elif key not in NAMES:
            warnings.append(f"Unknown key: {key!r}")
    if args.json:
        print_json({"get": found, "rc_path": path, "success": True, "warnings": warnings}, sort_keys=True)
        return 0
    for warning in warnings:
        print(warning, file=sys.stderr)
    for key, value in found.items():
        _print_item(key, value)
    return 0


def _print_item(key: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _print_item(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for i, item in enumerate(reversed(value)):
            note = "  # lowest priority" if i == 0 else "  # highest priority"
            print(f"--add {key} {item!r}" + (f" {note}" if key == "channels" and i in (0, len(value) - 1) else ""))
    elif value is not None:
        print(f"--set {key} {value}")
