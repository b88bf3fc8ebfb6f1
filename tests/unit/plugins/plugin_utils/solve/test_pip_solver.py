"""pip sections: uv's solver around conda's packages, with an index of small wheels in a folder."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.pip_solver import PipQuestion, PipUnsolvable, solve

from tests.support.lock_samples import package
from tests.support.package_index import Index

PYTHON = package("python", "3.12.1", "h1_0_cpython")


NEEDS_PYTHON = (("python", "3.12.*"),)


def asked(index: Index, *lines: str, conda=(PYTHON,), **other) -> PipQuestion:
    return replace(PipQuestion("linux-64", lines, conda, index=index.url), **other)


def found(question: PipQuestion) -> list[str]:
    return [f"{p.name} {p.version}" for p in asyncio.run(solve(question)).packages]


TORCH = package("pytorch", "2.7.1", "cuda_0", dependencies=NEEDS_PYTHON)


def test_packages_of_conda_are_not_installed_again(index: Index) -> None:
    assert found(asked(index, "accelerate", conda=(PYTHON, TORCH))) == ["accelerate 1.0", "tqdm 4.2"]
    tqdm = package("tqdm", "4.0", "pyhd_0", subdir="noarch", dependencies=NEEDS_PYTHON)
    assert found(asked(index, "accelerate", "tqdm", conda=(PYTHON, TORCH, tqdm))) == ["accelerate 1.0"]


def test_conda_package_without_python_is_no_distribution(index: Index) -> None:
    assert found(asked(index, "tqdm", conda=(PYTHON, package("tqdm", "1.0")))) == ["tqdm 4.2"]


def test_conda_version_that_is_no_python_version_is_accepted(index: Index) -> None:
    unusual = package("tqdm", "2024a_1", "pyhd_0", subdir="noarch", dependencies=NEEDS_PYTHON)
    assert found(asked(index, "accelerate", conda=(PYTHON, TORCH, unusual))) == ["accelerate 1.0"]


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
def test_wheel_fits_platform_and_system_requirements(
    index: Index, platform: str, other: dict[str, str], tag: str
) -> None:
    python = package("python", "3.12.1", "h1_0_cpython", platform)
    answer = asyncio.run(solve(asked(index, "native", platform=platform, conda=(python,), **other)))
    (wheel,) = answer.packages
    assert wheel.url.endswith(f"/native-1.0-{tag}.whl") and not wheel.problems()
    file = index.folder / "native" / wheel.file_name
    assert wheel.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_wheel_fits_the_python_version(index: Index) -> None:
    older = package("python", "3.11.9", "h1_0_cpython")
    answer = asyncio.run(solve(asked(index, "native", conda=(older,))))
    assert "cp39-abi3" in answer.packages[0].url


def test_locked_wheel_stays_until_it_is_updated(index: Index) -> None:
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
def test_question_that_cannot_be_solved_is_refused_with_its_cause(
    index: Index, other: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(PipUnsolvable) as caught:
        found(replace(asked(index, "tqdm"), **other))
    assert message in caught.value.cause and "word" not in str(caught.value.args)


def test_missing_uv_is_reported(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uv.find_uv_bin", lambda: "/nowhere/uv")
    with pytest.raises(PipUnsolvable, match="uv cannot be run"):
        found(asked(index, "tqdm"))
