"""Make the install plans of a lock for all Linux platforms, packed into one string."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from ...module_utils.host.errors import Problem
from ..conda import lockfile
from ..conda.lockfile import Lock, LockError
from ..net import wheel_cache
from . import derived_cache


def packed_plans(name: str, lock: Path, alias: str, channels: Sequence[str] | None, cache: Path | None = None) -> str:
    """Return a lock's install plans, {platform: plan} as base64 of zlib of JSON; they are cached for other hosts.

    :raises Problem: if the lock is missing or refused
    """

    def pack() -> str:
        read = Lock.loads(lock.read_text("utf-8"), str(lock))
        linux = [platform for platform in read.platforms if platform.startswith("linux-")]
        made = {platform: lockfile.plan(read, name, platform, alias, channels).to_json() for platform in linux}
        return base64.b64encode(zlib.compress(json.dumps(made, sort_keys=True).encode(), 9)).decode()

    try:
        inputs = ["install plans", name, alias, list(channels or ["*"]), derived_cache.identity(lock)]
        return str(derived_cache.derived(cache or wheel_cache.cache_dir(), inputs, pack))
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"environment {name} has no readable lock",
            str(error),
            "make one with playbooks/lock.yml, or bring one to this tier with playbooks/promote.yml",
        ) from None
    except LockError as error:
        raise Problem(f"the lock of environment {name} is refused ({lock})", str(error), "make it again") from None
