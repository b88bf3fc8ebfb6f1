"""The pip section of a spec."""

import pytest

from tests.support.spec_samples import read

PIP_LINES = [
    ("-e .", "editable"),
    ("--editable=.", "editable"),
    ("-r requirements.txt", "another file"),
    ("--index-url https://x.example", "option"),
    ("git+https://h.example/x.git", "url"),
    ("https://h.example/x-1-py3-none-any.whl", "url"),
    ("x @ https://h.example/x.whl", "url"),
    ("./x", "machine"),
    ("x-1.0-py3-none-any.whl", "machine"),
    ("x=1.0", "conda's"),
    ("x 1.0 y", "not a requirement"),
    ("!", "not a"),
]


@pytest.mark.parametrize(("line", "message"), PIP_LINES)
def test_pip_line_that_cannot_be_locked_is_a_finding(line, message):
    problems = read(f"dependencies:\n  - python\n  - pip:\n    - '{line}'\n")[1]
    assert [f.code for f in problems] == ["bad-pip-line"] and message in problems[0].message


@pytest.mark.parametrize(
    "line", ["x", "x==1.0", "X.y_z>=1,<2", "x[a,b]~=1.0", "x==1.*; python_version < '3.13'", "x # why"]
)
def test_valid_pip_line_is_read(line):
    spec, problems = read(f'dependencies:\n  - python\n  - pip:\n    - "{line}"\n')
    assert not problems and [r.name for r in spec.pip] in (["x"], ["x-y-z"])


def test_pip_line_for_a_conda_package_under_another_name_is_a_finding():
    problems = read("dependencies:\n  - pytorch-gpu\n  - pip:\n    - torch\n    - Torch>2\n")[1]
    assert [f.code for f in problems] == ["conda-and-pip", "duplicate-package"]
