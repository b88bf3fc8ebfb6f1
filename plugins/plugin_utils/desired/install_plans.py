"""From a lock on the controller to the install plans of all Linux platforms, packed into one string."""

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
    """Return base64 of zlib of JSON {platform: plan}, made from a lock, or as it was made for another host.

    :raises Problem: where the lock is missing or not acceptable
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
