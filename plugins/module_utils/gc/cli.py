"""The command line of `bin/lockstep-clean` on a host. Python 3.9, standard library."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Optional

from ..host.errors import Problem
from ..host.root import refuse_stranger
from ..store.store import Store
from .collect import clean, report


def arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="lockstep-clean", description="Remove unused environments and packages.")
    parser.add_argument("command", choices=["clean"], help=argparse.SUPPRESS)
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--keep-previous", type=int, default=1, metavar="N",
                        help="generations to keep beside the current one of each environment (1)")  # fmt: skip
    parser.add_argument("--min-age-days", type=float, default=14, metavar="DAYS",
                        help="keep what was retired less than this ago; longer than the longest job (14)")  # fmt: skip
    parser.add_argument("--lock-timeout", type=float, default=1800, metavar="SECONDS",
                        help="how long to wait for builds to end (1800)")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only name the generations that would be removed")
    parser.add_argument("--json", action="store_true", help="print the entry of state/clean.json")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    """Run one command; return the exit code: 0 done, 1 something failed."""
    options = arguments(argv)
    os.umask(0o022)
    store = Store(options.root, lock_timeout=options.lock_timeout)
    try:
        refuse_stranger(options.root, f"{options.root}/bin/lockstep-clean")
        store.prepare()
        entry = clean(store, max(options.keep_previous, 0), max(options.min_age_days, 0) * 86400, options.dry_run)
    except Problem as problem:
        sys.stderr.write(f"lockstep-clean: {problem}\n")
        return 1
    sys.stdout.write((json.dumps(entry) if options.json else report(entry, options.dry_run)) + "\n")
    return 0 if entry["ok"] else 1
