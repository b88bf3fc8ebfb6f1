"""From a lock on the controller to the plans of all Linux platforms, packed into one string, kept for the next host."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...module_utils.host import install_plan as plans
from ...module_utils.host.errors import Problem
from ..conda import lockfile
from ..conda.lockfile import Lock, LockError
from ..net import wheel_cache

HERE = Path(__file__).resolve().parent
# what the plans depend on besides their inputs: edit one, and nothing that was kept counts
SOURCES = (
    *sorted((HERE.parent / "conda").glob("*.py")),
    HERE / "install_plans.py",
    Path(plans.__file__),
)


def packed_plans(name: str, lock: Path, alias: str, channels: Sequence[str] | None, cache: Path | None = None) -> str:
    """Return base64 of zlib of JSON {platform: plan}, made from a lock, or as it was made for another host.

    :raises Problem: where the lock is missing or not acceptable
    """
    try:
        text = lock.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"environment {name} has no readable lock",
            str(error),
            "make one with playbooks/lock.yml, or bring one to this tier with playbooks/promote.yml",
        ) from None
    code = [[path.name, (status := path.stat()).st_size, status.st_mtime_ns] for path in SOURCES]
    key = hashlib.sha256(json.dumps([name, text, alias, list(channels or ["*"]), code]).encode()).hexdigest()
    kept = (cache or wheel_cache.cache_dir()) / "plans" / key
    with suppress(OSError, ValueError, zlib.error):  # a power cut may have left less
        packed = kept.read_text("ascii")
        zlib.decompress(base64.b64decode(packed, validate=True))
        return packed
    try:
        read = Lock.loads(text, str(lock))
        made = {
            platform: lockfile.plan(read, name, platform, alias, channels)
            for platform in read.platforms
            if platform.startswith("linux-")
        }
    except LockError as error:
        raise Problem(f"the lock of environment {name} is refused ({lock})", str(error), "make it again") from None
    packed = base64.b64encode(zlib.compress(json.dumps(made, sort_keys=True).encode(), 9)).decode()
    with suppress(OSError):  # a cache that cannot be written only costs time
        kept.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=kept.parent)
        with os.fdopen(handle, "w") as file:
            file.write(packed)
        Path(temporary).replace(kept)
    return packed
