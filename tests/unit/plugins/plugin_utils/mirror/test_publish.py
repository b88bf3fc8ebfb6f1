"""The order in which clients see changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem

from tests.support.mirror_samples import Site, Source, whole


def test_index_drops_a_file_before_it_is_removed(site: Site, served: Source, monkeypatch: Any) -> None:
    site.mirror(served.url)
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".conda":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(Problem, match=r"gamma.*cannot be read or written.*Permission denied"):
        site.mirror(served.url, prune=True)
    monkeypatch.undo()
    assert not [path for path in whole(site.folder / "m") if "gamma" in path]
    assert site.mirror(served.url, prune=True).pruned == ["forge/linux-64/gamma-1.0-htiny_0.conda"], (
        "it is not forgotten"
    )
