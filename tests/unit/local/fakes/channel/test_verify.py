"""A channel checked against itself."""

from __future__ import annotations

import json
from pathlib import Path

from local.fakes.channel import verify
from tests.support.local_samples import package


def test_a_channel_with_a_lost_or_altered_archive_or_an_unmet_need_is_found(tmp_path: Path) -> None:
    file = package(tmp_path, tmp_path / "t", depends=["absent >=1", "__glibc >=2"])
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch/repodata.json").write_text("{}")
    record = {"name": "demo", "sha256": "0" * 64, "depends": ["absent >=1", "__glibc >=2"]}
    records = {file.name: record, "lost-1-0.conda": {**record, "depends": []}}
    (tmp_path / "linux-64/repodata.json").write_text(json.dumps({"packages.conda": records}))
    found = "\n".join(verify.channel(tmp_path))
    assert "sha256 differs" in found and "there is no such file" in found and "needs absent" in found
    assert "__glibc" not in found
