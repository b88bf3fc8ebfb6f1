"""`python -m local.pulumi_engine ensure` prints the folder of a Pulumi engine, and makes one where there is none."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from .ensure import SOURCES, ensure
from .places import EngineError, say


def stop(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that nothing half made stays behind and no compiler goes on alone."""
    raise SystemExit(128 + number)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 3 means that no engine can be had here."""
    parser = argparse.ArgumentParser(prog="python -m local.pulumi_engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    wanted = commands.add_parser("ensure", help="print the folder of an engine, getting one first if need be")
    ways = "allow only this way (may be repeated)"
    wanted.add_argument("--from", dest="sources", choices=SOURCES, action="append", help=ways)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, stop)
    try:
        print(ensure(tuple(chosen.sources or SOURCES)))
    except EngineError as error:
        say(str(error))
        return 3
    except KeyboardInterrupt:
        say("stopped; what was half made is thrown away")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
