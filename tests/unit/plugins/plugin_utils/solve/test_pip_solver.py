"""pip sections: uv's real solver around conda's packages, with an index of small wheels in a folder."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import pypi_mapping
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, plan
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.outcome import Outcome
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.pip_solver import PipQuestion, PipUnsolvable, solve

from tests.support.lock_samples import package
from tests.support.package_index import Index
from tests.support.small_channel import usual

PYTHON = package("python", "3.12.1", "h1_0_cpython")
NEEDS_PYTHON = (("python", "3.12.*"),)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = Index(tmp_path / "simple")
    made.add("accelerate", "1.0", "torch>=2", "tqdm")
    made.add("accelerate", "2.0", "torch>=3", "tqdm")
    made.add("torch", "9.9", "nvidia-everything")
    made.add("tqdm", "4.1")
    made.add("tqdm", "4.2")
    for tag in ("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64",
                "cp312-cp312-manylinux_2_39_x86_64", "cp312-cp312-manylinux_2_28_aarch64",
                "cp312-cp312-macosx_11_0_arm64"):  # fmt: skip
        made.add("native", "1.0", tag=tag)
    return made


@pytest.fixture(autouse=True)
def _http(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock wants urls of servers: the folder's urls are written as if one served it."""
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve import pip_solver

    clean = pip_solver._clean
    monkeypatch.setattr(pip_solver, "_clean", lambda url: clean(url).replace("file:///", "https://index.example/"))


def asked(index: Index, *lines: str, conda=(PYTHON,), **other) -> PipQuestion:
    return replace(PipQuestion("linux-64", lines, conda, index=index.url), **other)


def found(question: PipQuestion) -> list[str]:
    return [f"{p.name} {p.version}" for p in asyncio.run(solve(question)).packages]


TORCH = package("pytorch", "2.7.1", "cuda_0", dependencies=NEEDS_PYTHON)


def test_what_conda_brings_is_never_brought_again(index: Index) -> None:
    assert found(asked(index, "accelerate", conda=(PYTHON, TORCH))) == ["accelerate 1.0", "tqdm 4.2"]
    tqdm = package("tqdm", "4.0", "pyhd_0", subdir="noarch", dependencies=NEEDS_PYTHON)
    assert found(asked(index, "accelerate", "tqdm", conda=(PYTHON, TORCH, tqdm))) == ["accelerate 1.0"]


def test_a_conda_package_that_needs_no_python_is_no_distribution(index: Index) -> None:
    assert found(asked(index, "tqdm", conda=(PYTHON, package("tqdm", "1.0")))) == ["tqdm 4.2"]


def test_a_conda_version_that_python_cannot_compare(index: Index) -> None:
    odd = package("tqdm", "2024a_1", "pyhd_0", subdir="noarch", dependencies=NEEDS_PYTHON)
    assert found(asked(index, "accelerate", conda=(PYTHON, TORCH, odd))) == ["accelerate 1.0"]


@pytest.mark.parametrize(
    ("lines", "words", "remedy"),
    [
        (["accelerate>=2"], ["torch"], "already brings pytorch 2.7.1"),
        (["torch>=3"], ["torch>=3"], "already brings pytorch 2.7.1"),
        (["tqdm>4.1", "tqdm<4.2"], ["tqdm"], "loosen"),
        (["nowhere-to-be-found"], ["nowhere-to-be-found", "not found"], "loosen"),
        (["tqdm[" + "x" * 5000], ["tqdm"], "loosen"),
    ],
)
def test_conflicts_say_what_is_in_the_way(index: Index, lines: list[str], words: list[str], remedy: str) -> None:
    with pytest.raises(PipUnsolvable) as caught:
        found(asked(index, *lines, conda=(PYTHON, TORCH)))
    assert all(word in caught.value.cause for word in words) and remedy in caught.value.remedy, caught.value.args
    assert "lockstep-pip-" not in caught.value.cause, "no path of the question's own folder"


@pytest.mark.parametrize(
    ("platform", "other", "tag"),
    [
        ("linux-64", {}, "cp312-cp312-manylinux_2_17_x86_64"),
        ("linux-64", {"glibc": "2.39"}, "cp312-cp312-manylinux_2_39_x86_64"),
        ("linux-aarch64", {"glibc": "2.35"}, "cp312-cp312-manylinux_2_28_aarch64"),
        ("linux-aarch64", {"glibc": "2.17"}, "py3-none-any"),
        ("osx-arm64", {}, "cp312-cp312-macosx_11_0_arm64"),
        ("osx-64", {}, "py3-none-any"),
    ],
)
def test_one_wheel_that_fits_platform_and_system_requirements(
    index: Index, platform: str, other: dict[str, str], tag: str
) -> None:
    python = package("python", "3.12.1", "h1_0_cpython", platform)
    answer = asyncio.run(solve(asked(index, "native", platform=platform, conda=(python,), **other)))
    (wheel,) = answer.packages
    assert wheel.url.endswith(f"/native-1.0-{tag}.whl") and not wheel.problems()
    file = index.folder / "native" / wheel.file_name
    assert wheel.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_another_python_gets_another_wheel(index: Index) -> None:
    older = package("python", "3.11.9", "h1_0_cpython")
    answer = asyncio.run(solve(asked(index, "native", conda=(older,))))
    assert "cp39-abi3" in answer.packages[0].url


def test_what_was_locked_stays_until_it_is_named(index: Index) -> None:
    (old,) = asyncio.run(solve(asked(index, "tqdm<4.2"))).packages
    assert found(asked(index, "tqdm", kept=(old,))) == ["tqdm 4.1"]
    assert found(asked(index, "tqdm>4.1", kept=(old,))) == ["tqdm 4.2"]
    elsewhere = replace(old, url=old.url.replace("index.example", "mirror.example"))
    (again,) = asyncio.run(solve(asked(index, "tqdm", kept=(elsewhere,)))).packages
    assert again == elsewhere, "the same file at another index is no change"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"conda": ()}, "no python"),
        ({"conda": (package("python", "3.13.1", "h1_0_cp313t"),)}, "free-threaded"),
        ({"platform": "linux-ppc64le"}, "linux-ppc64le"),
        ({"glibc": "2.12"}, "glibc 2.12"),
        ({"index": "http://user:word@127.0.0.1:9/simple"}, "index cannot be read"),
    ],
)
def test_what_cannot_be_solved_at_all(
    index: Index, other: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(PipUnsolvable) as caught:
        found(replace(asked(index, "tqdm"), **other))
    assert message in caught.value.cause and "word" not in str(caught.value.args)


def test_without_uv_the_remedy_is_named(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uv.find_uv_bin", lambda: "/nowhere/uv")
    with pytest.raises(PipUnsolvable, match="uv cannot be run"):
        found(asked(index, "tqdm"))


@pytest.mark.parametrize(
    ("conda", "names"),
    [("pytorch", ("torch",)), ("typing_extensions", ("typing-extensions",)), ("tzdata", ()), ("PyYAML", ("pyyaml",))],
)
def test_names(conda: str, names: tuple[str, ...]) -> None:
    assert pypi_mapping.pypi_names(conda) == names


def test_names_the_other_way() -> None:
    have = {"pytorch", "typing_extensions", "ruamel.yaml", "tzdata", "opencv"}
    known = {name: pypi_mapping.conda_name(name, have) for name in ("torch", "typing-extensions", "tzdata", "x")}
    assert known == {"torch": "pytorch", "typing-extensions": "typing_extensions", "tzdata": None, "x": None}
    assert pypi_mapping.conda_name("opencv-python-headless", have) == "opencv"


# --- whole locks ------------------------------------------------------------------------------------------------------


def lock(tmp_path: Path, index: Index, text: str, **other: Any) -> Outcome:
    envs = tmp_path / "envs"
    envs.mkdir(exist_ok=True)
    (envs / "train.yml").write_text(text)
    usual(tmp_path / "channel").add("needs-six", depends=["python", "six"])
    settings = Settings(envs, envs / "locks", "dev", repodata_alias=str(tmp_path / "channel"),
                        pip_index=index.url, **other)  # fmt: skip
    return run(settings, write=True)[0]


SPEC = "dependencies:\n  - python 3.12.*\n  - numpy\n  - pip:\n    - tqdm\n    - native\n"


def test_a_lock_with_wheels(tmp_path: Path, index: Index) -> None:
    outcome = lock(tmp_path, index, SPEC, platforms=("linux-64", "osx-arm64"))
    assert not outcome.findings and outcome.new_text
    made = Lock.loads(outcome.new_text, "made")
    wheels = {(p.platform, p.name): p for p in made.packages if p.manager == "pip"}
    assert sorted(wheels) == [(p, n) for p in ("linux-64", "osx-arm64") for n in ("native", "tqdm")]
    given = plan(made, "train", "osx-arm64")
    assert [wheel["name"] for wheel in given["pip"]] == ["native", "tqdm"]
    again = lock(tmp_path, index, SPEC, platforms=("linux-64", "osx-arm64"))
    assert again.new_text == outcome.new_text and not again.changed


def test_the_digest_knows_wheels_by_content_and_not_by_place(tmp_path: Path, index: Index) -> None:
    made = Lock.loads(lock(tmp_path, index, SPEC).new_text or "", "made")
    digest = plan(made, "train", "linux-64")["digest"]
    moved = [replace(p, url=p.url.replace("index.example", "m.example")) if p.manager == "pip" else p
             for p in made.packages]  # fmt: skip
    assert plan(replace(made, packages=tuple(moved)), "train", "linux-64")["digest"] == digest
    altered = [replace(p, sha256="0" * 64) if p.name == "tqdm" else p for p in made.packages]
    assert plan(replace(made, packages=tuple(altered)), "train", "linux-64")["digest"] != digest


def test_updates_move_only_what_is_named(tmp_path: Path, index: Index) -> None:
    lock(tmp_path, index, SPEC.replace("tqdm", "tqdm<4.2"))
    kept = lock(tmp_path, index, SPEC)
    assert not kept.changed
    assert lock(tmp_path, index, SPEC, update=("tqdm",)).difference == [
        "linux-64: 1 changed, 0 added, 0 removed", "  ~ tqdm 4.1 -> 4.2",
    ]  # fmt: skip


def test_findings_stand_at_their_lines(tmp_path: Path, index: Index) -> None:
    text = SPEC.replace("- tqdm\n", "- tqdm>=5\n").replace("- native\n", "- native\n    - numpy<2\n")
    texts = [f.text() for f in lock(tmp_path, index, text.replace("  - numpy\n", "  - torch-like\n")).findings]
    assert len(texts) == 1 and ":5:7: error pip-unsolvable" in texts[0], texts
    outcome = lock(tmp_path, index, SPEC.replace("  - numpy\n", "  - needs-six\n") + "    - six\n")
    assert [(f.code, f.line, f.severity) for f in outcome.findings] == [("pip-from-channel", 7, "warning")]
    both = lock(tmp_path, index, SPEC.replace("- tqdm", "- tqdm>=5"), platforms=("linux-64", "osx-arm64")).findings
    assert len(both) == 1, "platforms with the same trouble are told of together"
    assert both[0].message.startswith("for linux-64, osx-arm64: no solution")
    outcome = lock(tmp_path, index, "dependencies:\n  - arrow-like\n  - pip:\n    - tqdm\n")
    assert [(f.code, f.line) for f in outcome.findings] == [("pip-unsolvable", 4)]
