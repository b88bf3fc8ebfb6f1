"""The difference of two locks, as a person reads it, and the variants of builds."""

from types import SimpleNamespace

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lock_diff, variants

from tests.support.lock_samples import lock, package


def record(name, build, *depends):
    return SimpleNamespace(name=SimpleNamespace(normalized=name), build=build, depends=list(depends))


def test_diff_names_builds_without_cuda_beside_builds_with_it():
    available = [record("torch", "cpu_0"), record("torch", "h1", "cuda-version >=12"), record("zlib", "h0")]
    assert variants.silently_cpu([record("torch", "cpu_0"), record("zlib", "h0")], available) == ["torch"]
    assert variants.silently_cpu([record("torch", "h1", "cuda-version >=12"), record("zlib", "h0")], available) == []


def test_diff_of_equal_locks_is_empty():
    assert lock_diff.diff(lock(), lock()) == []


def test_diff_names_packages_and_variants():
    old = lock(package("libblas", "3.9", "1_openblas"), package("torch", "2.0", "cuda126_0"), package("gone"),
               package("zlib", "1.2"),
               package("same", build="h1_0"), package("cuda-version", "12.6"))  # fmt: skip
    new = lock(package("libblas", "3.9", "1_mkl"), package("torch", "2.0", "cpu_0"), package("new"),
               package("zlib", "1.3"),
               package("same", build="h2_0"))  # fmt: skip
    assert lock_diff.diff(old, new) == [
        "linux-64: 4 changed, 1 added, 2 removed",
        "  ! BLAS openblas -> mkl",
        "  ! CUDA 12.6 -> none",
        "  ! torch was built for CUDA, now for CPU",
        "  - cuda-version 12.6 h1_0",
        "  - gone 1.3 h1_0",
        "  ~ libblas 3.9 (build 1_openblas -> 1_mkl)",
        "  + new 1.3 h1_0",
        "  ~ same 1.3 (build h1_0 -> h2_0)",
        "  ~ torch 2.0 (build cuda126_0 -> cpu_0)",
        "  ~ zlib 1.2 -> 1.3",
    ]


def test_diff_names_other_contents_of_the_same_file():
    lines = lock_diff.diff(lock(package()), lock(package(sha256="ef" * 32)))
    assert (
        "zlib: the same url has other contents (sha256)" in lines[1] and lines[2] == "  ~ zlib 1.3 (contents changed)"
    )


def test_diff_names_changed_settings_of_the_lock():
    lines = lock_diff.diff(
        lock(custom={"system_requirements": '{"cuda":"12.6"}'}),
        lock(custom={"system_requirements": '{"cuda":"12.8"}'}, channels=("conda-forge", "ml")),
    )
    assert lines == [
        "! channels conda-forge -> conda-forge, ml",
        '! system_requirements {"cuda":"12.6"} -> {"cuda":"12.8"}',
    ]


def test_diff_names_added_and_removed_platforms():
    both = lock(package(), package(platform="osx-arm64"))
    assert lock_diff.diff(lock(package()), both) == ["osx-arm64: new, 1 packages"]
    assert lock_diff.diff(both, lock(package())) == [
        "! no longer locked for osx-arm64",
        "osx-arm64: 0 changed, 0 added, 1 removed",
        "  - zlib 1.3 h1_0",
    ]
    assert lock_diff.diff(None, lock(package())) == ["linux-64: new, 1 packages"]
