"""Names of software on the Python package index and in conda channels."""

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import pypi_mapping


@pytest.mark.parametrize(
    ("conda", "names"),
    [("pytorch", ("torch",)), ("typing_extensions", ("typing-extensions",)), ("tzdata", ()), ("PyYAML", ("pyyaml",))],
)
def test_conda_name_maps_to_python_names(conda: str, names: tuple[str, ...]) -> None:
    assert pypi_mapping.pypi_names(conda) == names


def test_python_name_maps_to_an_available_conda_name() -> None:
    have = {"pytorch", "typing_extensions", "ruamel.yaml", "tzdata", "opencv"}
    known = {name: pypi_mapping.conda_name(name, have) for name in ("torch", "typing-extensions", "tzdata", "x")}
    assert known == {"torch": "pytorch", "typing-extensions": "typing_extensions", "tzdata": None, "x": None}
    assert pypi_mapping.conda_name("opencv-python-headless", have) == "opencv"
