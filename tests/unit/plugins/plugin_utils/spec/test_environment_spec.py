"""Specs: every finding at once, each with place, cause and remedy; any text is read without an exception."""

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spec_samples import GOOD, codes, read, with_dependencies


def test_valid_spec_is_read_without_findings():
    spec, problems = read(GOOD)
    assert problems == []
    assert spec.channels == ["conda-forge"] and spec.platforms == ["linux-64", "linux-aarch64"]
    assert [d.match.name for d in spec.dependencies] == ["python", "pytorch-gpu", "numpy"]
    assert spec.variables == {"OMP_NUM_THREADS": "4", "NCCL_DEBUG": "WARN"} and not spec.for_cpu


def test_spec_without_channels_gets_the_allowed_ones():
    assert read(with_dependencies("python"), allowed=("ml", "conda-forge"))[0].channels == ["ml", "conda-forge"]


def test_dash_without_a_blank_is_reported():
    (finding,) = read("dependencies:\n  - python\n  -numpy\n  - six\n")[1]
    assert finding.code == "not-yaml" and finding.remedy == "write a space after the `-` in line 3"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dependencies:\n\t- python\n", 2),
        ("dependencies:\n  -\tpython\n", 2),
        ("variables:\n  A: b\n \tC: d\n", 3),
    ],
)
def test_tab_is_reported_with_its_line(text, line):
    finding = read(text)[1][0]
    assert finding.code == "not-yaml" and finding.remedy == f"replace the tab in line {line} with spaces"


def test_tab_in_a_comment_is_not_blamed_for_a_syntax_error():
    finding = read("dependencies:\n  - python\t# a remark\nname: [a\n")[1][0]
    assert finding.code == "not-yaml" and finding.remedy == "correct the syntax"


def test_file_with_windows_line_ends_and_byte_order_mark_is_read():
    spec, problems = read("\ufeff" + GOOD.replace("\n", "\r\n"))
    assert problems == [] and spec.variables["OMP_NUM_THREADS"] == "4"


def test_finding_starts_with_file_line_and_column():
    finding = read("name: other\ndependencies: [python]\n")[1][0]
    assert finding.text().startswith("envs/train.yml:1:7: error name-differs: ") and "; rename" in finding.text()


def test_all_findings_of_a_spec_are_reported_at_once():
    text = """\
name: train
channel: [conda-forge]
channels:
  - defaults
  - bioconda
  - nodefaults
prefix: /home/me/miniconda3/envs/train
dependencies:
  - numpy=1.26
  - pytorch::pytorch
  - pip
  - NumPy
  - https://repo.anaconda.com/pkgs/main/linux-64/six-1.16.0-py312_0.conda
  - pip:
      - -e .
      - numpy==1.26
"""
    assert codes(text) == [
        ("unknown-key", 2, 1),
        ("defaults", 4, 5),
        ("channel-not-allowed", 5, 5),
        ("nodefaults", 6, 5),
        ("prefix", 7, 1),
        ("fuzzy-pin", 9, 5),
        ("channel-not-allowed", 10, 5),
        ("duplicate-package", 12, 5),
        ("package-url", 13, 5),
        ("bad-pip-line", 15, 9),
        ("conda-and-pip", 16, 9),
    ]


CASES = [
    ("", "not-a-spec"),
    ("[]", "not-a-spec"),
    ("name: train\n", "no-dependencies"),
    ("dependencies: []\n", "no-dependencies"),
    ("dependencies: python\n", "not-a-list"),
    ("dependencies:\n  python: 3\n", "not-a-list"),
    ("channels: {}\n", "not-a-list"),
    ("channels:\n", "not-a-list"),
    (with_dependencies("python", "pip:"), "not-a-list"),
    ("name: [a\n", "not-yaml"),
    ("a: &x 1\n", "not-yaml"),
    ("a: 1\na: 1\n", "not-yaml"),
    ("\t", "not-yaml"),
    (with_dependencies("3.12"), "not-a-string"),
    (with_dependencies("''"), "not-a-string"),
    (with_dependencies("[x]"), "not-a-string"),
    (with_dependencies("'numpy=>1'"), "bad-dependency"),
    (with_dependencies("numpy >=1; python_version > '3.9'"), "bad-dependency"),
    (with_dependencies("numpy scipy"), "bad-dependency"),
    (with_dependencies("--retries 3"), "bad-dependency"),
    (with_dependencies("numpy, scipy"), "bad-dependency"),
    (with_dependencies("numpy >=1.26 <2.1"), "bad-dependency"),
    (with_dependencies("numpy ==2.1.3 =py312*"), "bad-dependency"),
    (with_dependencies("numpy:2"), "bad-dependency"),
    (with_dependencies("n\u00fcmpy"), "bad-dependency"),
    (with_dependencies("'*numpy*'"), "bad-dependency"),
    (with_dependencies("./x.conda"), "package-url"),
    (with_dependencies("numpy[url='https://x.org/a/linux-64/numpy-1-0.conda']"), "package-url"),
    (with_dependencies("numpy[channel=bioconda]"), "channel-not-allowed"),
    (with_dependencies("defaults::numpy"), "channel-not-allowed"),
    (with_dependencies("'https://u:hunter2@h.example/c::numpy'"), "channel-not-allowed"),
    (with_dependencies("python", "cudatoolkit=11.8", "pytorch"), "cudatoolkit"),
    (with_dependencies("pytorch-cuda=12.1"), "wrong-name"),
    (with_dependencies("torch"), "wrong-name"),
    (with_dependencies("sel(linux): x"), "selector"),
    (with_dependencies("x  # [linux and (x86_64 or arm64)]"), "selector"),
    (with_dependencies("x: [y]"), "unknown-section"),
    (with_dependencies("python ==3.12"), "exact-python"),
    (with_dependencies("python 3.12"), "exact-python"),
    ("platforms: [win-64]\n", "unknown-platform"),
    ("channels: [conda-forge, conda-forge]\n", "duplicate-channel"),
    ("channels: [conda-forge, 'https://conda.anaconda.org/conda-forge/']\n", "duplicate-channel"),
    ("channels: ['https://conda.anaconda.org/t/tk-hunter2/conda-forge']\n", "channel-not-allowed"),
    ("variables: [A]\n", "bad-variables"),
    ("variables: {A B: x}\n", "bad-variable"),
    ("variables: {A: yes}\n", "bad-variable"),
    ("variables: {A: 010}\n", "bad-variable"),
    ("variables: {A: 1.10}\n", "bad-variable"),
    ("variables: {A: }\n", "bad-variable"),
    ("variables: {A: [1]}\n", "bad-variable"),
    ('variables: {A: "x\\ny"}\n', "bad-variable"),
    ("variables: {HF_TOKEN: hunter2}\n", "secret-variable"),
    ("variables: {LD_PRELOAD: x}\n", "risky-variable"),
    ("name: 3\n", "not-a-string"),
    ("dependency: [x]\n", "unknown-key"),
]


@pytest.mark.parametrize(("text", "code"), CASES)
def test_invalid_spec_has_the_expected_finding(text, code):
    problems = read(text)[1]
    assert code in [f.code for f in problems], problems
    assert all(f.message and f.remedy and "hunter2" not in f.text() for f in problems)
    assert all(f.line for f in problems), problems


def test_valid_pins_and_variables_are_no_errors():
    variables = "variables: {TOKENIZERS_PARALLELISM: 'false', N: 0}\n"
    assert codes(variables + with_dependencies("python 3.12.*", "cudatoolkit")) == [("cudatoolkit", 4, 5)]
    assert codes(with_dependencies("numpy 1.8.*", "scipy ==1.8", "pandas =1.5=py312*", "jax >=0.4", "blas=*=mkl")) == []
    assert not found.errors(read(with_dependencies("numpy=1.26", "cudatoolkit"))[1])


@pytest.mark.parametrize(
    ("line", "cpu"),
    [
        ("pytorch-cpu", {"pytorch-cpu"}),
        ("pytorch=*=cpu*", {"pytorch"}),
        ("pytorch", set()),
        ("python 3.12.* *_cpython", set()),
    ],
)
def test_spec_that_requests_cpu_builds(line, cpu):
    assert read(with_dependencies(f"'{line}'"))[0].for_cpu == cpu


def test_environment_name_with_a_path_is_a_finding():
    assert codes(GOOD, name="../train")[0][0] == "environment-name"


@settings(max_examples=300, deadline=None)
@given(
    st.text()
    | st.integers(0, len(GOOD)).flatmap(lambda at: st.text(max_size=10).map(lambda s: GOOD[:at] + s + GOOD[at + 3 :]))
)
def test_any_text_gives_a_spec_or_errors(text):
    spec, problems = read(text)
    if not found.errors(problems):
        assert spec.dependencies and spec.channels == ["conda-forge"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[a-z]{1,4}[ =<>!~|,.*0-9\[\]:/'\"]{0,12}", fullmatch=True))
def test_any_dependency_gives_a_spec_or_errors(text):
    quoted = text.replace("'", "''")
    read(with_dependencies(f"'{quoted}'"))
