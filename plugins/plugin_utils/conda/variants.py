"""What kind of build was chosen: CUDA or CPU, which BLAS, which microarchitecture; a change of these is no ordinary
update.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .locked_package import Package

_CUDA_NAMES = ("__cuda", "cudatoolkit", "cuda-version")


def is_cuda(build: str, depends: Iterable[str]) -> bool:
    """Say whether a build uses CUDA, by its build string or what it needs."""
    return "cuda" in build or any(spec.split(None, 1)[0] in _CUDA_NAMES for spec in depends)


def of_environment(packages: Sequence[Package]) -> dict[str, str]:
    """Return the variants of a whole environment by name: CUDA, BLAS, python, microarchitecture, MPI; absent if it has
    none.
    """
    by_name = {package.name: package for package in packages}
    found = {}
    if "cuda-version" in by_name:
        found["CUDA"] = by_name["cuda-version"].version
    if "libblas" in by_name:
        names = re.findall(r"openblas|newaccelerate|accelerate|mkl|blis|netlib", by_name["libblas"].build)
        found["BLAS"] = names[0] if names else by_name["libblas"].build
    if "python" in by_name:
        found["python"] = by_name["python"].version
    for name, package in by_name.items():
        if name.endswith("-microarch-level"):
            found["microarchitecture"] = f"{name.removesuffix('-microarch-level').strip('_')} level {package.version}"
    if "mpi" in by_name:
        found["MPI"] = by_name["mpi"].build
    return found


def of_package(package: Package) -> str:
    """Return `CUDA` or `CPU` for packages whose build says so, else nothing."""
    if package.name in ("cuda-version", "cudatoolkit"):
        return ""
    if is_cuda(package.build, package.depends):
        return "CUDA"
    return "CPU" if re.search(r"(^|_)cpu", package.build) else ""


def meant_for_cpu(chosen: Iterable[Any], asked: set[str], suspects: Iterable[str]) -> set[str]:
    """Return those of `suspects` whose CPU build follows from what was asked for as one, by name.

    That is what such a package brings (`pytorch-cpu` brings pytorch), and what is built on that (torchvision); not what
    is merely beside it.
    """
    needs = {record.name.normalized: {spec.split(None, 1)[0] for spec in record.depends} for record in chosen}

    def brought(names: set[str]) -> set[str]:
        found, more = set(names), set(names)
        while more:
            more = set().union(*(needs.get(name, set()) for name in more)) - found
            found |= more
        return found

    names = set(suspects)
    meant = asked | (names & brought(asked))
    return {name for name in names if brought({name}) & meant}


def silently_cpu(chosen: Iterable[Any], available: Iterable[Any]) -> list[str]:
    """Return the names of chosen records that do without CUDA although the channel has CUDA builds of the same package.

    `available` are all records of those names for the platform. Both are py-rattler's records.
    """
    with_cuda = {record.name.normalized for record in available if is_cuda(str(record.build), record.depends)}
    return sorted(
        record.name.normalized
        for record in chosen
        if record.name.normalized in with_cuda and not is_cuda(str(record.build), record.depends)
    )
