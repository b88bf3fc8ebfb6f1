"""Real metadata of conda-forge, where a copy of some of it is at hand.

LOCKSTEP_CONDA_FORGE_SUBSET names a folder with `<platform>/repodata.json` or `repodata.json.bz2` of conda-forge.
"""

import bz2
import os
from pathlib import Path

import pytest

SUBSET = os.environ.get("LOCKSTEP_CONDA_FORGE_SUBSET", "")


def needs_metadata(test):
    """Skip a test, by its name, where there is no copy of the metadata."""
    reason = f"{test.__name__} needs LOCKSTEP_CONDA_FORGE_SUBSET, a copy of conda-forge's metadata"
    return pytest.mark.skipif(not SUBSET, reason=reason)(test)


@pytest.fixture(scope="session")
def metadata(tmp_path_factory):
    """A folder that has conda-forge as a channel that py-rattler reads from a disk."""
    folder = tmp_path_factory.mktemp("metadata")
    for path in Path(SUBSET).glob("*/repodata.json*"):
        target = folder / "conda-forge" / path.parent.name / "repodata.json"
        target.parent.mkdir(parents=True)
        target.write_bytes(bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes())
    return folder
