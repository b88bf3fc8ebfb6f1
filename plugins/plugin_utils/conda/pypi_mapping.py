"""Map names of conda packages to names on the Python package index, and back.

Neither channel metadata nor packages hold this, so the names that differ are listed here. All others are equal apart
from case and punctuation (PEP 503).
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
    "tzdata": (),  # the time zone files; the Python package of that name is conda's python-tzdata
}

_PREFERRED = {"torch": "pytorch", "xgboost": "py-xgboost", "dask": "dask", "matplotlib": "matplotlib",
              "tensorflow": "tensorflow", "opencv-python": "opencv", "cupy": "cupy", "faiss-cpu": "faiss-cpu",
              "faiss-gpu": "faiss-gpu", "ray": "ray-default", "cupy-cuda12x": "cupy", "pyarrow": "pyarrow"}  # fmt: skip


def normal(name: str) -> str:
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pypi_names(conda_name: str) -> tuple[str, ...]:
    """Return the normalised names on the Python package index of a conda package, the usual one first; () if none."""
    return _OTHERWISE.get(conda_name, (normal(conda_name),))


def conda_name(pypi_name: str, available: Iterable[str]) -> str | None:
    """Return the conda package of `available` that brings the distribution `pypi_name`; None if there is none."""
    normalised, offered = normal(pypi_name), set(available)
    candidates = [_PREFERRED.get(normalised, ""), *(c for c, names in _OTHERWISE.items() if normalised in names)]
    candidates += [] if normalised == "tzdata" else [normalised, normalised.replace("-", "_"), pypi_name]
    return next((name for name in candidates if name in offered), None)


def is_python(package: Package) -> bool:
    """Return whether a conda package can bring a Python distribution: only if it depends on python.

    conda's `ninja` and `zstd` are a program and a library, not the distributions of those names.
    """
    return any(name in ("python", "python_abi") for name, _unused in package.dependencies)
