"""Name the variants of builds: CUDA or CPU, BLAS, microarchitecture, MPI. A reviewer must see when one changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .locked_package import Package

_CUDA_NAMES = ("__cuda", "cudatoolkit", "cuda-version")


def is_cuda(build: str, depends: Iterable[str]) -> bool:
    """Return whether a build uses CUDA, by its build string or its dependencies (match specs)."""
    return "cuda" in build or any(spec.split(None, 1)[0] in _CUDA_NAMES for spec in depends)


def of_environment(packages: Sequence[Package]) -> dict[str, str]:
    """Return the variants of an environment by name: CUDA, BLAS, python, microarchitecture, MPI; only those it has."""
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
    """Return `CUDA` or `CPU` for a package whose build names it, else ""."""
    if package.name in ("cuda-version", "cudatoolkit"):
        return ""
    if is_cuda(package.build, package.depends):
        return "CUDA"
    return "CPU" if re.search(r"(^|_)cpu", package.build) else ""


def meant_for_cpu(chosen: Iterable[Any], requested: set[str], suspects: Iterable[str]) -> set[str]:
    """Return the names in `suspects` whose CPU build follows from a requested CPU build.

    These are the dependencies of such a package (`pytorch-cpu` needs pytorch) and packages that need one of those
    (torchvision), but not unrelated packages.

    :param chosen: py-rattler's records of the solution
    :param requested: names of packages whose CPU build the spec requests
    """
    needs = {record.name.normalized: {spec.split(None, 1)[0] for spec in record.depends} for record in chosen}

    def brought(names: set[str]) -> set[str]:
        found, more = set(names), set(names)
        while more:
            more = set().union(*(needs.get(name, set()) for name in more)) - found
            found |= more
        return found

    names = set(suspects)
    meant = requested | (names & brought(requested))
    return {name for name in names if brought({name}) & meant}


def silently_cpu(chosen: Iterable[Any], available: Iterable[Any]) -> list[str]:
    """Return the names of chosen CPU builds for which the channel also has CUDA builds.

    :param chosen: py-rattler's records of the solution
    :param available: all of the channel's records with those names for the platform
    """
    with_cuda = {record.name.normalized for record in available if is_cuda(str(record.build), record.depends)}
    return sorted(
        record.name.normalized
        for record in chosen
        if record.name.normalized in with_cuda and not is_cuda(str(record.build), record.depends)
    )
