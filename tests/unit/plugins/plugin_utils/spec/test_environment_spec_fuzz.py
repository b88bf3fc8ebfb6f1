"""Any text as a spec: a finding or a spec that can be trusted, no traceback, and within seconds."""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec as specs
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile import HOSTILE, JSON_VALUES, quick

FOLDER = Path(__file__).parent.parent / "spec/real_specs"


TEXTS = [path.read_text() for path in sorted(FOLDER.glob("*.yml"))]


TREES = [yaml.safe_load(text) for text in TEXTS]


SYNTAX = ["- ", ": ", "\n", "\t", "  ", "#", "'", '"', "[", "{", "&a ", "*a", "!!", "<<: ", "? ", "---\n", "%YAML"]


def check_spec(text: str) -> None:
    """Read an untrusted spec; one that is accepted asks for nothing outside the allowed channel."""
    spec, problems = specs.read(text, "envs/x.yml", "x", ["conda-forge"])
    for finding in problems:
        line = finding.text()
        assert line.startswith("envs/x.yml") and finding.message and finding.remedy and len(line) < 1000
        assert not re.search(r"[\x00-\x1f\x7f]", line), "a finding is one line that a terminal can show"
    if found.errors(problems):
        return
    assert spec.dependencies and spec.channels == ["conda-forge"]
    for dependency in spec.dependencies:
        match = dependency.match
        assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", match.name), match
        assert not match.is_url and match.channel in (None, "conda-forge", "https://conda.anaconda.org/conda-forge")
        assert match.text.isascii() and "evil" not in match.text.split("[")[0].split("::")[0] + (match.channel or "")
    names = [dependency.match.name for dependency in spec.dependencies]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", r.name) and "://" not in r.text for r in spec.pip)
    assert all(plans.VARIABLE.match(key) and "\n" not in value for key, value in spec.variables.items())


@quick
@given(st.sampled_from(TEXTS), st.data())
def test_spec_with_altered_text(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
        insert = data.draw(st.sampled_from(HOSTILE + SYNTAX) | st.text(max_size=6))
        text = text[:at] + insert + text[at + length :]
    check_spec(text)


@quick
@given(st.sampled_from(TEXTS), st.data())
def test_spec_with_altered_bytes(text, data):
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_spec(bytes(raw).decode())
    except UnicodeDecodeError:
        check_spec(bytes(raw).decode("latin-1"))


def places(tree, prefix=()):
    yield prefix
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from places(value, (*prefix, key))


def put(tree, place, change):
    """Alter what stands at a place of a tree; `change` gets its parent and its key."""
    for key in place[:-1]:
        tree = tree[key]
    change(tree, place[-1])


@quick
@given(st.sampled_from(TREES), st.data())
def test_spec_with_altered_nodes(tree, data):
    tree = copy.deepcopy(tree)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([place for place in places(tree) if place] or [()]))
        if not place:
            break
        new = data.draw(st.sampled_from(HOSTILE) | JSON_VALUES)
        kind = data.draw(st.sampled_from(["replace", "remove", "twice", "wrap"]))
        put(
            tree,
            place,
            lambda parent, key, kind=kind, new=new: (
                parent.__setitem__(key, new)
                if kind == "replace"
                else parent.__delitem__(key)
                if kind == "remove"
                else parent.__setitem__(key, [parent[key]] * 2)
                if kind == "twice"
                else parent.__setitem__(key, {"pip": parent[key]})
            ),
        )
    check_spec(yaml.safe_dump(tree, allow_unicode=True))


@quick
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), min_size=1, max_size=4), st.booleans())
def test_spec_of_hostile_lines(lines, pip):
    quoted = ["'" + line.replace("'", "''").replace("\n", "\n\n") + "'" for line in lines]
    section = "  - pip:\n" + "".join(f"    - {line}\n" for line in quoted)
    check_spec("dependencies:\n  - python\n" + (section if pip else "".join(f"  - {line}\n" for line in quoted)))


DEEP = [
    "dependencies: " + "[" * 100_000,
    "dependencies:\n" + "".join(" " * depth + "- \n" for depth in range(2000)),
    "variables: " + "{A: " * 50_000,
    "a: &a [1]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(99)),
    "dependencies:\n" + "  - python\n" * 30_000,
    "dependencies:\n" + "".join(f"  - p{i}\n" for i in range(20_000)),
    "dependencies:\n  - " + "a" * 3_000_000,
    "dependencies:\n  - python " + ">=1," * 200_000 + ">=1",
    "dependencies:\n  - python  # [" + "linux or " * 200_000 + "osx]",
    "#" * 3_000_000 + "\n",
    "dependencies:\n  - pip:\n    - x" + "[a]" * 100_000,
    "dependencies:\n  - pip:\n    - x " + ">=1," * 100_000 + "!",
    "channels: [" + "conda-forge/label/" * 100_000 + "]",
]


@pytest.mark.parametrize("text", DEEP, ids=lambda text: repr(text[:24]))
def test_spec_that_is_deep_or_huge_is_read_in_seconds(text):
    started = time.process_time()
    check_spec(text)
    assert time.process_time() - started < 3
