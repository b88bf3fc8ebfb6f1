"""The smoke test in a lock: the same bytes whatever the text, readable in a diff, and no part of the digest."""

import pytest
import rattler
import yaml
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lock_samples import lock, package

SPACES = ["\n", " ", "\t", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\ufeff", "\ufffe", "\u00a0", "\x7f", "    x = 1"]
SIGNS = ["#", ": ", "- ", "'", '"', "\\", "|", ">", "%", "---", "...", "\u00e9", "\U0001f600", "import six"]
PROGRAMS = st.one_of(
    st.lists(st.sampled_from(SPACES + SIGNS), max_size=12).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@settings(max_examples=400, deadline=None)
@given(PROGRAMS)
def test_smoke_test_is_read_back_as_written(program):
    written = lock(package(), custom={"smoke_test": program}).dumps()
    again = Lock.loads(written.encode().decode(), "x")
    assert again.smoke_test == program and again.dumps() == written
    assert yaml.safe_load(written)["metadata"]["custom_metadata"]["smoke_test"] == program
    assert "\u2028" not in written, "readers disagree whether that ends a line"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.rstrip)))
def test_smoke_test_is_a_literal_block_of_its_lines(tail):
    for end in ("", "\n", "\n\n"):
        program = "\n".join(["import six", *tail]) + end
        written = lock(package(), custom={"smoke_test": program}).dumps().split("\n")
        start = next(number for number, line in enumerate(written) if line.startswith("    smoke_test: |"))
        shown = program.removesuffix("\n").split("\n")
        assert written[start + 1 :][: len(shown)] == [line and "      " + line for line in shown]


@pytest.mark.parametrize(
    "program", ["", "\n", "\nx", " x", "x ", "x \ny", "\tx", "x\r\ny\r\n", "x\u2028y", "\ufeffx", "x", "x\n\n"]
)
def test_py_rattler_reads_a_lock_with_a_smoke_test(program, tmp_path):
    path = tmp_path / "train.conda-lock.yml"
    path.write_bytes(lock(custom={"smoke_test": program}).dumps().encode())
    (first, *_) = (read := rattler.LockFile.from_path(str(path))).platforms()
    assert read.default_environment().conda_repodata_records_for_platform(first)


def test_smoke_test_is_no_part_of_the_digest():
    plain, tested = (lockfile.plan(lock(custom=custom), "train", "linux-64") for custom in ({}, {"smoke_test": "x"}))
    assert plain.digest == tested.digest and plain._replace(smoke="x") == tested
