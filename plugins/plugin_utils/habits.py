"""Habits from other channels and from pip that never work on conda-forge, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .findings import ERROR, WARNING

GPU_FRAMEWORKS = frozenset(
    {"pytorch", "pytorch-gpu", "torchvision", "tensorflow", "tensorflow-gpu", "jax", "jaxlib", "cupy"}
)

_WRONG = {
    "pytorch-cuda": (
        "it is a package of the pytorch channel, which is no longer made",
        "write `pytorch-gpu` and, if it matters, `cuda-version 12.*`",
    ),
    "cpuonly": ("it is a package of the pytorch channel, which is no longer made", "write `pytorch-cpu`"),
    "torch": ("that is the name on PyPI", "write `pytorch`, or `pytorch-gpu`"),
    "tensorflow-gpu": ("conda-forge stopped making it", "write `tensorflow=*=cuda*`"),
    "sklearn": ("that is the name of the import", "write `scikit-learn`"),
    "opencv-python": ("that is the name on PyPI", "write `opencv`"),
    "faiss-gpu": ("that is a package of the pytorch channel", "write `faiss=*=*cuda*`"),
    "pytorch-nightly": ("that is a channel's word", "write `pytorch`"),
}


def check(names: set[str]) -> list[tuple[str, str, str, str, str]]:
    """Return (code, severity, package, message, remedy) for each habit found among the names that a spec asks for."""
    found = [
        ("wrong-name", ERROR, name, f"{name} does not exist on conda-forge as meant: {why}", remedy)
        for name, (why, remedy) in _WRONG.items()
        if name in names
    ]
    if "cudatoolkit" in names:
        with_framework = sorted(names & GPU_FRAMEWORKS)
        message = "cudatoolkit ended with CUDA 11.8"
        if with_framework:
            message += f", and today's {with_framework[0]} is not built for it"
        found.append(
            (
                "cudatoolkit",
                ERROR if with_framework else WARNING,
                "cudatoolkit",
                message,
                "write `cuda-version 12.*`; what needs CUDA brings its own libraries",
            )
        )
    return found


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, if there is one."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.7)
    return found[0] if found else None
