"""Which images there are, and which are removed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from local.fleet import image


def test_an_image_of_another_suite_or_package_list_has_another_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = image.host_tag("bookworm")
    assert tag.startswith("localhost/lockstep-host:bookworm-") and tag != image.host_tag("trixie")
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "nano"))
    assert image.host_tag("bookworm") != tag


class Images:
    """A podman with images; one of them is in use."""

    def __init__(self, base: Path, tags: list[str], used: str) -> None:
        self.base, self.tags, self.used, self.removed = base, tags, used, list[str]()

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if argv[0] == "images":
            return subprocess.CompletedProcess(argv, 0, "\n".join(self.tags))
        if argv[1] == self.used:
            return subprocess.CompletedProcess(argv, 2, "")
        self.tags.remove(argv[1])
        self.removed.append(argv[1])
        return subprocess.CompletedProcess(argv, 0, "")


def test_images_that_no_checkout_wanted_for_days_go_children_first(tmp_path: Path) -> None:
    names = ["base:a-1", "host:a-1", "ec2:a-1", "base:a-2", "host:a-3"]
    mine: Any = Images(
        tmp_path, [f"localhost/lockstep-{n}" for n in names] + ["localhost/other:1"], "localhost/lockstep-host:a-3"
    )
    image.sweep(mine)
    assert not mine.removed  # seen for the first time
    days = time.time() + 3 * 86400
    image.sweep(mine, days)
    assert not mine.removed
    image.use(mine, "localhost/lockstep-base:a-2")
    os.utime(tmp_path / "used" / "lockstep-base:a-2", (days, days))
    image.sweep(mine, days + 5 * 86400)
    assert mine.removed == [f"localhost/lockstep-{n}" for n in ("ec2:a-1", "host:a-1", "base:a-1")]
    assert sorted(p.name for p in (tmp_path / "used").iterdir()) == ["lockstep-base:a-2", "lockstep-host:a-3"]
