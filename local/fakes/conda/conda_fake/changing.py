# conda's paths are text: links are not followed, and a path is shown as it was given; so os.path, not pathlib.
# ruff: noqa: PTH103, PTH112, PTH118, PTH119, PTH120
"""Commands that change environments: create, remove; install and update only as far as they refuse."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

from . import transaction
from .channels import configured, resolve
from .clean import confirm
from .errors import Failure, dry_run, unknown
from .prefixes import (
    is_environment,
    name_of,
    require_environment,
    require_thawed,
    require_writable,
    same,
    unregister,
)
from .settings import Settings, expand
from .show import print_json

FORBIDDEN = "/ :#"


def target(args: Namespace, settings: Settings) -> str:
    """The environment that -n, -p or the active shell name; it need not exist.

    :raises Failure: a name that is none
    """
    if args.prefix is not None:
        if not args.prefix.strip():
            raise Failure("ArgumentError", "Argument --prefix requires a value.", code=2)
        return expand(args.prefix)
    if args.name is None:
        return settings.default_prefix
    if not args.name.strip():
        raise Failure("ArgumentError", "Argument --name requires a value.", code=2)
    if "/" in args.name or "\\" in args.name:
        raise Failure("CondaValueError", "Environment names cannot contain path separators")
    try:
        return settings.locate(args.name)
    except Failure:
        if set(FORBIDDEN) & set(args.name):
            raise _bad_name() from None
        return os.path.join(_folder_for_envs(settings), args.name)


def _bad_name() -> Failure:
    return Failure("CondaValueError", f"Environment names cannot contain any of these characters: {set(FORBIDDEN)}")


def _folder_for_envs(settings: Settings) -> str:
    """The first envs_dirs entry that this user may write to.

    :raises Failure: `NoWritableEnvsDirError`
    """
    for folder in settings.envs_dirs:
        if os.path.isdir(folder):
            if os.access(folder, os.W_OK):
                return folder
            continue
        try:
            os.makedirs(folder)
        except OSError:
            continue
        return folder
    listed = "".join(f"\n  - {folder}" for folder in settings.envs_dirs)
    raise Failure("NoWritableEnvsDirError", f"No writeable envs directories configured.{listed}\n")


def _check_place(prefix: str, settings: Settings) -> None:
    if os.pathsep in prefix:
        raise Failure("CondaValueError", f"Environment paths cannot contain '{os.pathsep}'. Prefix: '{prefix}'")
    if is_environment(os.path.dirname(prefix)):
        message = "Environment paths cannot be immediately nested under another conda environment."
        raise Failure("CondaValueError", message)
    if name_of(prefix, settings) == "base":
        raise Failure("CondaValueError", "'base' is a reserved environment name")
    if set(FORBIDDEN) & set(os.path.basename(prefix)):
        raise _bad_name()


def _wanted(args: Namespace, settings: Settings) -> tuple[list[str], list[str]]:
    """The specs and the explicit addresses of a command line."""
    specs = [package.strip("\"'") for package in args.packages]
    addresses = [spec for spec in specs if "://" in spec or spec.endswith((".conda", ".tar.bz2"))]
    specs = [spec for spec in specs if spec not in addresses]
    for name in args.file:
        path = Path(name)
        if not path.is_file():
            raise Failure("EnvironmentFileNotFound", f"'{path}' file not found")
        if path.suffix in (".yml", ".yaml"):
            raise unknown(f"{path}: environments from environment.yml files")
        lines = transaction.explicit_lines(path)
        addresses += lines
        if not lines:
            text = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
            specs += [line for line in text if line]
    if specs and addresses:
        message = (
            "Cannot combine package names with explicit package lists. Package names (python, numpy) are resolved by "
            "the solver; explicit files and URLs are installed directly. Use only package names, or only explicit "
            "files/URLs."
        )
        raise Failure("CondaValueError", message)
    if not args.no_default_packages and not addresses:
        named = {spec.split("=")[0].split()[0] for spec in specs}
        specs += [spec for spec in settings.get("create_default_packages") if spec not in named]
    return specs, addresses


def _single_channel(spec: str, settings: Settings) -> str:
    """Check the channel of `channel::package`, and write it as an address for the solver.

    :raises Failure: `ChannelNotAllowed`
    """
    channel, separator, rest = spec.partition("::")
    if not separator:
        return spec
    configured(settings, [channel])
    return f"{resolve(channel, settings)[0].base}::{rest}"


def create(args: Namespace, settings: Settings) -> int:
    """`conda create -n NAME | -p PREFIX [SPEC... | --file FILE] [-c CHANNEL] [--offline] [--dry-run] [-y] [--json]`."""
    settings.validate()
    for name in args.file:
        if not Path(name).is_file():
            raise Failure("EnvironmentFileNotFound", f"'{Path(name).absolute()}' file not found")
    if args.name is None and args.prefix is None:
        if not settings.get("dry_run"):
            raise Failure("ArgumentError", "one of the arguments -n/--name -p/--prefix is required", code=2)
        args.prefix = os.path.join(os.path.sep, "tmp", "lockstep-fake", "unused-env-name")
    prefix = target(args, settings)
    _check_place(prefix, settings)
    dry = bool(settings.get("dry_run"))
    if is_environment(prefix):
        if dry:
            raise Failure("CondaValueError", "Cannot `create --dry-run` with an existing conda environment")
        _ask(
            settings,
            f"WARNING: A conda environment already exists at '{prefix}'\n\nRemove existing environment?\nThis will "
            "remove ALL directories contained within this specified prefix directory, including any other conda "
            "environments.\n\n",
        )
        shutil.rmtree(prefix)
    elif os.path.isdir(prefix):
        _ask(
            settings,
            f"WARNING: A directory already exists at the target location '{prefix}'\n"
            "but it is not a conda environment.\nContinue creating environment",
        )
    transaction.refuse_what_is_not_done(settings)
    specs, addresses = _wanted(args, settings)
    channels = configured(settings, args.channel, args.override_channels)
    if addresses:
        records = transaction.explicit_records(addresses, settings)
        if dry:
            raise dry_run()
    else:
        specs_for_solver = [_single_channel(spec, settings) for spec in specs]
        records = transaction.solve(specs_for_solver, channels, settings) if specs else []
    return _carry_out(args, settings, prefix, records, specs)


def _ask(settings: Settings, question: str) -> None:
    if not settings.get("always_yes") and not settings.get("json"):
        confirm(question, default="no")


def _carry_out(args: Namespace, settings: Settings, prefix: str, records: list[Any], specs: list[str]) -> int:
    quiet = bool(args.json or settings.get("quiet"))
    actions = {"FETCH": [], "LINK": [_action(record, settings) for record in records], "PREFIX": prefix}
    if not quiet:
        print(f"\n## Package Plan ##\n\n  environment location: {prefix}\n")
        if records:
            print("The following NEW packages will be INSTALLED:\n")
            for record in sorted(records, key=lambda r: str(r.name.normalized)):
                where = resolve(record.url, settings)[0].canonical
                print(f"  {record.name.normalized:18} {where}/{record.subdir}::{_stem(record)}")
            print()
    if settings.get("dry_run"):
        if args.json:
            print_json({"actions": actions, "dry_run": True, "prefix": prefix, "success": True}, sort_keys=True)
        raise dry_run()
    if not settings.get("always_yes") and not args.json:
        confirm("Proceed", default="yes")
    transaction.link(records, specs, prefix, settings)
    if args.json:
        print_json({"actions": actions, "prefix": prefix, "success": True}, sort_keys=True)
    if not quiet:
        print(
            f"#\n# To activate this environment, use\n#\n#     $ conda activate {args.name or prefix}\n#\n"
            "# To deactivate an active environment, use\n#\n#     $ conda deactivate\n"
        )
    return 0


def _stem(record: Any) -> str:
    return f"{record.name.normalized}-{record.version}-{record.build}"


def _action(record: Any, settings: Settings) -> dict[str, Any]:
    channel = resolve(record.url, settings)[0]
    return {
        "base_url": channel.base,
        "build_number": record.build_number,
        "build_string": str(record.build),
        "channel": channel.name,
        "dist_name": _stem(record),
        "name": record.name.normalized,
        "platform": str(record.subdir),
        "version": str(record.version),
    }


def install(args: Namespace, settings: Settings) -> int:
    """`conda install|update`: refused on a frozen environment as conda does, and elsewhere by this fake."""
    settings.validate()
    prefix = target(args, settings)
    require_writable(prefix)
    if settings.get("protect_frozen_envs") and not args.override_frozen:
        require_thawed(prefix)
    raise unknown(f"conda {args.command}: create an environment anew with all its packages instead")


def remove(args: Namespace, settings: Settings) -> int:
    """`conda remove --all`, `conda env remove`: a whole environment; single packages only as far as it is refused."""
    if not (args.all or args.package_names):
        message = 'no package names supplied,\n       try "conda remove -h" for more details'
        raise Failure("CondaValueError", message)
    prefix = target(args, settings)
    require_environment(prefix)
    if settings.get("protect_frozen_envs") and not args.override_frozen:
        require_thawed(prefix)
    if not args.all:
        raise unknown("conda remove PACKAGE: create an environment anew with all its packages instead")
    if same(prefix, settings.default_prefix):
        message = "Cannot remove current environment. Deactivate and run conda remove again"
        raise Failure("CondaEnvironmentError", message)
    if name_of(prefix, settings) == "base":
        raise Failure("CondaEnvironmentError", "cannot remove root environment, add -n NAME or -p PREFIX option")
    if not args.json:
        print(f"\nRemove all packages in environment {prefix}:\n")
    if settings.get("dry_run"):
        raise dry_run()
    _ask(
        settings,
        f"Everything found within the environment ({prefix}), including any conda environment configurations and any "
        "non-conda files, will be deleted. Do you wish to continue?\n",
    )
    shutil.rmtree(prefix)
    unregister(prefix)
    if args.json:
        print_json({"prefix": prefix, "success": True}, sort_keys=True)
    return 0
