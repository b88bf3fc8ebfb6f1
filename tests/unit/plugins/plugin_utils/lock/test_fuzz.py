"""Whatever a spec or a lock holds: a message or something that can be trusted, never a traceback, and soon.

Specs are mutated as text and as YAML from the files of `real_specs/`, locks field by field with what an attacker would
try; then everything that was let through is looked at by rules written here, apart from the code that let it through.
"""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, LockError
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec as specs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.lock_samples import BASE, lock, package
from tests.support.small_channel import usual
from tests.unit.plugins.plugin_utils.conda.test_lockfile import JSONISH, resealed

FOLDER = Path(__file__).parent.parent / "spec/real_specs"
TEXTS = [path.read_text() for path in sorted(FOLDER.glob("*.yml"))]
TREES = [yaml.safe_load(text) for text in TEXTS]
HOMOGLYPHS = ["\u0440ython", "pyth\u043en", "python\u200b", "\u202epython", "\uff50ython", "numpy\u00a0", "nump\u04af"]
HOSTILE = [
    *HOMOGLYPHS, "", " ", ".", "..", "../x", "a/b", "/etc/passwd", "~", "a\\b", "a\x00b", "a\nb", "-e .", "--index 1",
    "x" * 5000, "%2e%2e", "$(id)", "`id`", "{{ lookup('pipe', 'id') }}", "defaults", "nodefaults", "local",
    "evil::python", "https://evil.example/c::python", "https://evil.example/x-1-0.conda", "git+https://h/x.git", "[]",
    "python[url='https://evil.example/x-1-0.conda']", "python[channel=evil]", "python[channel='https://evil.example/c']",
    "https://conda.anaconda.org/t/tk-123/conda-forge", "https://me:pw@h.example/c", "conda-forge/../evil", "1.10",
    "file:///etc/x-1-0.conda",
]  # fmt: skip
SYNTAX = ["- ", ": ", "\n", "\t", "  ", "#", "'", '"', "[", "{", "&a ", "*a", "!!", "<<: ", "? ", "---\n", "%YAML"]
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# --- specs ------------------------------------------------------------------------------------------------------------


def check_spec(text: str) -> None:
    """Read a spec that nobody vetted; what is let through asks for nothing outside the allowed channel."""
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
def test_specs_with_altered_text(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
        insert = data.draw(st.sampled_from(HOSTILE + SYNTAX) | st.text(max_size=6))
        text = text[:at] + insert + text[at + length :]
    check_spec(text)


@quick
@given(st.sampled_from(TEXTS), st.data())
def test_specs_with_altered_bytes(text, data):
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
def test_specs_with_altered_nodes(tree, data):
    tree = copy.deepcopy(tree)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([place for place in places(tree) if place] or [()]))
        if not place:
            break
        new = data.draw(st.sampled_from(HOSTILE) | JSONISH)
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
def test_specs_of_hostile_lines(lines, pip):
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
def test_specs_that_are_deep_or_huge(text):
    started = time.process_time()
    check_spec(text)
    assert time.process_time() - started < 3


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    usual(folder / "channels")
    (folder / "envs").mkdir()
    return Settings(
        folder / "envs",
        folder / "locks",
        "dev",
        repodata_alias=str(folder / "channels"),
        platforms=("linux-64", "osx-arm64"),
        cache=folder / "cache",
        system_requirements={"cuda": "12.8"},
    )


ASKED = ["python", "python 3.12.*", "numpy <2", "numpy=2", "six", "torch-like", "torch-like=*=cpu*",
         "cuda-version 12.9",
         "arrow-like", "new-glibc", "fast", "numpi", "python=3.12.1=h1_0_cpython", "conda-forge::six", "__cuda >=12",
         "six ==9", "libblas * *openblas", "numpy >=1,!=1.26", "python 3.12"]  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(ASKED) | st.sampled_from(HOSTILE), min_size=1, max_size=5), st.booleans())
def test_a_lock_or_a_reason(site, lines, write):
    """Whatever is asked for comes to a lock that can be trusted, or to errors, each of them understandable."""
    text = "dependencies:\n" + "".join("  - '" + line.replace("'", "''") + "'\n" for line in lines)
    (site.envs_dir / "x.yml").write_text(text)
    (outcome,) = run(site, write=write)
    assert bool(outcome.new_text) != any(f.code != "fuzzy-pin" for f in found.errors(outcome.findings))
    assert all(finding.message and finding.remedy for finding in outcome.findings)
    if outcome.new_text:
        check_lock(outcome.new_text, must_be_read=True)


# --- locks ------------------------------------------------------------------------------------------------------------

WHEEL = package("einops", "0.8.1", "", manager="pip", md5="", dependencies=(),
                url="https://files.example/packages/py3/e/einops-0.8.1-py3-none-any.whl")  # fmt: skip
SAMPLE = yaml.safe_load(
    lock(
        package("python", "3.12.1", "h1_0_cp312", dependencies=(("__glibc", ">=2.17"), ("zlib", ">=1.2,<2.0a0"))),
        package(),
        package("six", "1.17", "pyhd_0", subdir="noarch", dependencies=(("python", ""),)),
        package(platform="osx-arm64"),
        WHEEL,
        custom={"variables": '{"A": "1"}', "system_requirements": '{"cuda": "12.8"}'},
    ).dumps()
)
URLS = [
    "https://evil.example/conda-forge/linux-64/{file}", f"{BASE}/linux-64/../../evil/linux-64/{{file}}", "{file}",
    f"{BASE}//linux-64/{{file}}", f"{BASE}/linux-64//{{file}}", f"{BASE}/linux-64/%2e%2e/{{file}}", "file:///{file}",
    f"{BASE}.evil.example/linux-64/{{file}}", f"{BASE}@evil.example/linux-64/{{file}}", f"{BASE}/linux-64/{{file}}?x",
    f"{BASE}/linux-64/{{file}}#x", f"{BASE}/win-64/{{file}}", f"{BASE}/noarch/{{file}}",
    f"{BASE}/label/x/linux-64/{{file}}",
    "https://conda.anaconda.org/conda\u2010forge/linux-64/{file}",
    "HTTPS://conda.anaconda.org/conda-forge/linux-64/{file}",
    "https://me:pw@conda.anaconda.org/conda-forge/linux-64/{file}",
    "https://conda.anaconda.org/t/tk/conda-forge/linux-64/{file}",
    f"{BASE}/linux-64/{{file}}\n", f" {BASE}/linux-64/{{file}}", f"{BASE}/linux-64\\{{file}}", "https://files.example/{file}.exe",
]  # fmt: skip
HASHES = [
    "",
    "0",
    "ab" * 31,
    "AB" * 32,
    "ab" * 32 + " ",
    "ab" * 33,
    "g" * 64,
    "\u0430b" * 32,
    "sha256:" + "ab" * 32,
    None,
    0,
    [],
]


def check_lock(text: str, must_be_read: bool = False) -> None:
    """Read a lock that nobody vetted; what is let through can be verified and is from where it says."""
    try:
        read = Lock.loads(text, "x.yml", ["conda-forge"])
    except LockError as error:
        assert not must_be_read, error
        assert all(line.startswith("x.yml") for line in str(error).splitlines()), error
        assert str(error).replace("\n", "").isprintable() and str(error).isascii(), error
        assert "pw@" not in str(error) and len(str(error)) < 20_000
        return
    for one in read.packages:
        assert re.fullmatch("[0-9a-f]{64}", one.sha256), "no package without a sha256"
        assert (one.name + one.version + one.build + one.url).isascii() and one.platform in read.platforms
        if one.manager == "conda":
            files = [f"{one.name}-{one.version}-{one.build}{suffix}" for suffix in (".conda", ".tar.bz2")]
            assert one.url in [f"{BASE}/{folder}/{file}" for folder in (one.platform, "noarch") for file in files]
            assert re.fullmatch("[0-9a-f]{32}", one.md5)
        else:
            assert one.manager == "pip" and re.fullmatch(r"https?://[\w.:/+-]+/[\w.+!-]+\.whl", one.url)
            assert "/../" not in one.url and "/./" not in one.url
    for platform in read.platforms:
        names = [re.sub("[-_.]+", "-", one.name) for one in read.of(platform)]
        assert len(set(names)) == len(names)
        try:
            made = lockfile.plan(read, "train", platform, channels=["conda-forge"])
        except LockError:
            continue  # an environment without a single package, say
        assert plans.check(made) == []
        assert {entry["sha256"] for entry in (*made["packages"], *made["pip"])} == {p.sha256 for p in read.of(platform)}


def test_the_sample_is_let_through():
    check_lock(resealed(copy.deepcopy(SAMPLE)), must_be_read=True)


@quick
@given(st.data())
def test_locks_with_hostile_values(data):
    document = copy.deepcopy(SAMPLE)
    for _ in range(data.draw(st.integers(1, 2))):
        entry = data.draw(st.sampled_from(document["package"]))
        field = data.draw(
            st.sampled_from(["url", "sha256", "md5", "name", "version", "build", "platform", "manager", "dep"])
        )
        hostile = data.draw(st.sampled_from(HOSTILE))
        if field == "url":
            entry["url"] = data.draw(st.sampled_from(URLS)).format(file=str(entry["url"]).rsplit("/", 1)[-1])
        elif field in ("sha256", "md5"):
            entry["hash"][field] = data.draw(st.sampled_from(HASHES))
        elif field == "dep":
            entry["dependencies"] = {hostile: data.draw(st.sampled_from(HOSTILE))}
        elif field in ("name", "version", "build") and data.draw(st.booleans()):  # a url that goes with it
            old = str(entry.get(field, ""))
            entry["url"] = entry["url"].replace(old, hostile) if old else entry["url"]
            entry[field] = hostile
        else:
            entry[field] = data.draw(
                st.sampled_from([hostile, "pip", "conda", "osx-arm64", "win-64", "noarch", 1.10, None])
            )
    check_lock(resealed(document))


@quick
@given(st.data())
def test_locks_with_conflicting_entries(data):
    document = copy.deepcopy(SAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        again = copy.deepcopy(data.draw(st.sampled_from(document["package"])))
        field = data.draw(st.sampled_from(["version", "build", "platform", "name", "manager", "sha256", "nothing"]))
        if field == "sha256":
            again["hash"]["sha256"] = "cd" * 32
        elif field != "nothing":
            new = {"version": "9.9", "build": "h9_9", "platform": "osx-arm64", "name": "Six", "manager": "pip"}[field]
            again["url"] = str(again["url"]).replace(str(again.get(field, "")) or "\x00", new)
            again[field] = new
        document["package"].append(again)
    check_lock(resealed(document))


LARGE = [
    "version: 1\nmetadata:\n" + "".join(f"  k{i}: {{}}\n" for i in range(50_000)),
    "version: 1\nmetadata: {}\npackage:\n" + "- {}\n" * 100_000,
    "version: 1\nmetadata: {}\npackage:\n" + "".join(f"{' ' * i}- \n" for i in range(1000)),
    "version: 1\nmetadata: {custom_metadata: {a: '" + "[" * 1_000_000 + "'}}\npackage: []\n",
]


@pytest.mark.parametrize("text", LARGE, ids=lambda text: repr(text[-16:]))
def test_locks_that_are_deep_or_huge(text):
    started = time.process_time()
    check_lock(text)
    assert time.process_time() - started < 5
