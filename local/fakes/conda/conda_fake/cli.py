"""The command line: what is known is parsed as conda parses it, all else ends with exit code 2 and a clear message."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from . import VERSION
from .errors import Failure, unknown


class Parser(argparse.ArgumentParser):
    """argparse, but what it does not know is a `Failure`."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong.

        :raises Failure: always
        """
        raise unknown(f"{self.prog}: {message}")


def _prefix(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-n", "--name")
    group.add_argument("-p", "--prefix")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("-q", "--quiet", action="store_true")


def _prompting(parser: argparse.ArgumentParser) -> None:
    _output(parser)
    parser.add_argument("-d", "--dry-run", action="store_true")
    parser.add_argument("-y", "--yes", action="store_true", dest="always_yes")


def _solving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--channel", action="append", default=[])
    parser.add_argument("--override-channels", action="store_true")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--override-frozen", action="store_true")


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        prog="conda",
        description=f"conda {VERSION}: a fake conda, for Lockstep's offline local fleet. It knows:",
    )
    top.add_argument("-V", "--version", action="version", version=f"conda {VERSION}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    info = commands.add_parser("info", help="what this conda is, and how it is configured")
    _output(info)
    info.add_argument("--base", action="store_true", help="the base environment's folder")
    info.add_argument("-e", "--envs", action="store_true", help="all environments")

    listing = commands.add_parser("list", help="the packages of an environment")
    _prefix(listing)
    _output(listing)
    for flag in ("--explicit", "--md5", "--sha256", "--reverse"):
        listing.add_argument(flag, action="store_true")
    listing.add_argument("-e", "--export", action="store_true")
    listing.add_argument("-c", "--canonical", action="store_true")
    listing.add_argument("-f", "--full-name", action="store_true")
    listing.add_argument("--no-pip", action="store_false", dest="pip")
    listing.add_argument("regex", nargs="?")

    env = commands.add_parser("env", help="env list, env remove")
    envs = env.add_subparsers(dest="env_command", metavar="COMMAND", parser_class=Parser, required=True)
    _output(envs.add_parser("list"))
    gone = envs.add_parser("remove")
    _prefix(gone)
    _prompting(gone)
    gone.add_argument("--override-frozen", action="store_true")

    config = commands.add_parser("config", help="what the configuration says, and where (reading only)")
    _output(config)
    place = config.add_mutually_exclusive_group()
    place.add_argument("--system", action="store_true")
    place.add_argument("--env", action="store_true")
    place.add_argument("--file")
    place.add_argument("-n", "--name")
    place.add_argument("-p", "--prefix")
    what = config.add_mutually_exclusive_group()
    what.add_argument("--show", nargs="*")
    what.add_argument("--show-sources", action="store_true")
    what.add_argument("--validate", action="store_true")
    what.add_argument("--get", nargs="*", metavar="KEY")

    create = commands.add_parser("create", help="a new environment from specs or an explicit file")
    _prefix(create)
    _prompting(create)
    _solving(create)
    create.add_argument("--file", action="append", default=[])
    create.add_argument("--no-default-packages", action="store_true")
    create.add_argument("packages", nargs="*")

    for name, aliases in (("install", []), ("update", ["upgrade"])):
        install = commands.add_parser(name, aliases=aliases, help="refused: an environment is made anew here")
        _prefix(install)
        _prompting(install)
        _solving(install)
        install.add_argument("--file", action="append", default=[])
        install.add_argument("packages", nargs="*")

    remove = commands.add_parser("remove", aliases=["uninstall"], help="remove --all: a whole environment")
    _prefix(remove)
    _prompting(remove)
    _solving(remove)
    remove.add_argument("--all", action="store_true")
    remove.add_argument("package_names", nargs="*")

    clean = commands.add_parser("clean", help="unused packages, archives, index caches")
    _prompting(clean)
    for short, long in (("-a", "--all"), ("-i", "--index-cache"), ("-p", "--packages"), ("-t", "--tarballs")):
        clean.add_argument(short, long, action="store_true")
    clean.add_argument("-l", "--logfiles", action="store_true")
    clean.add_argument("-c", "--tempfiles", action="store_true")

    run = commands.add_parser("run", help="a command in an environment")
    _prefix(run)
    run.add_argument("-v", "--verbose", action="count", default=0)
    run.add_argument("--cwd", default=None)
    run.add_argument("-s", "--no-capture-output", "--live-stream", action="store_true")
    run.add_argument("executable_call", nargs=argparse.REMAINDER)

    init = commands.add_parser("init", help="make `conda` known to new shells: bash, zsh, fish")
    init.add_argument("-d", "--dry-run", action="store_true")
    init.add_argument("--reverse", action="store_true")
    init.add_argument("shells", nargs="*")

    for name in ("activate", "deactivate"):
        commands.add_parser(name, help="for shells that know conda").add_argument("rest", nargs=argparse.REMAINDER)
    return top


def _dispatch(args: argparse.Namespace) -> int:
    from . import changing, clean, running, shellfiles, show
    from .settings import Settings

    if args.command in ("activate", "deactivate"):
        raise Failure("CondaError", f"Run 'conda init' before 'conda {args.command}'")
    names = ("json", "quiet", "dry_run", "always_yes", "offline", "channel")
    options = {name: getattr(args, name, None) for name in names}
    settings = Settings(options)
    prefix = ""
    if hasattr(args, "prefix") and args.command not in ("create", "install", "update", "upgrade"):
        prefix = changing.target(args, settings)
        settings = Settings(options, prefix)
    args.json = bool(getattr(args, "json", False) or settings.get("json"))
    if args.command == "env":
        args.all, args.package_names = True, []
        commands = {"list": lambda: show.env_list(args, settings), "remove": lambda: changing.remove(args, settings)}
        return commands[args.env_command]()
    known: dict[str, Callable[[], int]] = {
        "info": lambda: show.info(args, settings),
        "list": lambda: show.list_packages(args, settings, prefix),
        "config": lambda: show.config(args, settings, prefix),
        "create": lambda: changing.create(args, settings),
        "install": lambda: changing.install(args, settings),
        "update": lambda: changing.install(args, settings),
        "upgrade": lambda: changing.install(args, settings),
        "remove": lambda: changing.remove(args, settings),
        "uninstall": lambda: changing.remove(args, settings),
        "clean": lambda: clean.clean(args, settings),
        "run": lambda: running.run(args, settings, prefix),
        "init": lambda: shellfiles.init(args, settings),
    }
    return known[args.command]()


def _run(arguments: Sequence[str]) -> int:
    as_json = "--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    try:
        if arguments and arguments[0].startswith("shell."):
            from . import activation

            print(activation.run(arguments[0].removeprefix("shell."), list(arguments[1:])), end="")
            return 0
        top = parser()
        args = top.parse_args(arguments)
        if args.command is None:
            top.print_help()
            return 0
        return _dispatch(args)
    except Failure as failure:
        failure.report(as_json)
        return failure.code
    except BrokenPipeError:
        return 1
    except OSError as error:
        Failure("CondaError", f"{error.strerror or error}: {error.filename or ''}").report(as_json)
        return 1
    except KeyboardInterrupt:
        Failure("CondaError", "KeyboardInterrupt").report(False)
        return 1


def main(arguments: Sequence[str]) -> NoReturn:
    """Run one command and end the process: py-rattler may crash at the interpreter's exit after success."""
    try:
        code = _run(arguments)
    except SystemExit as end:  # argparse: --help, --version
        code = int(end.code or 0)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)
