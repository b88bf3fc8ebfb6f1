"""Names: what the Python package index calls the software that a conda package brings, and the other way round.

Neither channel metadata nor packages say it, so the few names that differ are listed; all others are the same but for
case and punctuation (PEP 503).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .locked_package import Package

_OTHERWISE: dict[str, tuple[str, ...]] = {
    "brotli-python": ("brotli",),
    "cupy-core": ("cupy", "cupy-cuda12x", "cupy-cuda13x"),
    "cupy": ("cupy", "cupy-cuda12x", "cupy-cuda13x"),
    "dask-core": ("dask",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "faiss-cpu": ("faiss-cpu", "faiss-gpu"),
    "faiss-gpu": ("faiss-gpu", "faiss-cpu"),
    "matplotlib-base": ("matplotlib",),
    "msgpack-python": ("msgpack",),
    "opencv": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "py-opencv": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "py-xgboost": ("xgboost",),
    "pyarrow-core": ("pyarrow",),
    "pyqt": ("pyqt5",),
    "pytables": ("tables",),
    "python-build": ("build",),
    "python-duckdb": ("duckdb",),
    "python-fastjsonschema": ("fastjsonschema",),
    "python-flatbuffers": ("flatbuffers",),
    "python-graphviz": ("graphviz",),
    "python-kaleido": ("kaleido",),
    "python-lmdb": ("lmdb",),
    "python-tzdata": ("tzdata",),
    "python-xxhash": ("xxhash",),
    "pytorch": ("torch",),
    "pytorch-cpu": ("torch",),
    "pytorch-gpu": ("torch",),
    "ray-core": ("ray",),
    "ray-default": ("ray",),
    "sentencepiece-python": ("sentencepiece",),
    "tensorflow-base": ("tensorflow",),
    "tensorflow-cpu": ("tensorflow", "tensorflow-cpu"),
    "tensorflow-gpu": ("tensorflow",),
    "tzdata": (),  # the time zones themselves; the Python package of that name is conda's python-tzdata
}

_PREFERRED = {"torch": "pytorch", "xgboost": "py-xgboost", "dask": "dask", "matplotlib": "matplotlib",
              "tensorflow": "tensorflow", "opencv-python": "opencv", "cupy": "cupy", "faiss-cpu": "faiss-cpu",
              "faiss-gpu": "faiss-gpu", "ray": "ray-default", "cupy-cuda12x": "cupy", "pyarrow": "pyarrow"}  # fmt: skip


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pypi_names(conda_name: str) -> tuple[str, ...]:
    """Return the normalised names that pip may know a conda package by, the usual one first; none for a few."""
    return _OTHERWISE.get(conda_name, (normal(conda_name),))


def conda_name(pypi_name: str, available: Iterable[str]) -> str | None:
    """Return the conda package that brings what pip calls `pypi_name`, if `available` has one."""
    wanted, have = normal(pypi_name), set(available)
    candidates = [_PREFERRED.get(wanted, ""), *(c for c, names in _OTHERWISE.items() if wanted in names)]
    candidates += [] if wanted == "tzdata" else [wanted, wanted.replace("-", "_"), pypi_name]
    return next((name for name in candidates if name in have), None)


def is_python(package: Package) -> bool:
    """Say whether a conda package can bring a Python distribution: whatever does, needs python (conda's `ninja` and
    `zstd` are programs and libraries, pip's are not those).
    """
    return any(name in ("python", "python_abi") for name, _ in package.dependencies)
