"""Lint rules: known mistakes that come from other channels and from pip, and what to write on conda-forge instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from ..core.findings import ERROR, WARNING

GPU_FRAMEWORKS = frozenset(
    {"pytorch", "pytorch-gpu", "torchvision", "tensorflow", "tensorflow-gpu", "jax", "jaxlib", "cupy"}
)

_WRONG = {
    "pytorch-cuda": (
        "it belonged to the pytorch channel, which is discontinued",
        "write `pytorch-gpu` and, if it matters, `cuda-version 12.*`",
    ),
    "cpuonly": ("it belonged to the pytorch channel, which is discontinued", "write `pytorch-cpu`"),
    "torch": ("that is the name on PyPI", "write `pytorch`, or `pytorch-gpu`"),
    "tensorflow-gpu": ("conda-forge no longer builds it", "write `tensorflow=*=cuda*`"),
    "sklearn": ("that is the name of the import", "write `scikit-learn`"),
    "skimage": ("that is the name of the import", "write `scikit-image`"),
    "cv2": ("that is the name of the import", "write `opencv`"),
    "bs4": ("that is the name of the import", "write `beautifulsoup4`"),
    "pil": ("that is the name of the import", "write `pillow`"),
    "opencv-python": ("that is the name on PyPI", "write `opencv`"),
    "faiss-gpu": ("that is a package of the pytorch channel", "write `faiss=*=*cuda*`"),
    "pytorch-nightly": ("that is the name of a channel", "write `pytorch`"),
}

_CHANNELS = {
    "pytorch": "on conda-forge it is `pytorch-gpu` (or `pytorch-cpu`), `torchvision` and `torchaudio`",
    "pytorch-nightly": "conda-forge has releases only: `pytorch-gpu`",
    "nvidia": "conda-forge has CUDA's parts: `cuda-version 12.*` with `cuda-nvcc`, `cuda-toolkit` and others",
    "xformers": "conda-forge has `xformers`",
    "pyg": "on conda-forge it is `pytorch_geometric`",
    "fastai": "conda-forge has `fastai`",
    "huggingface": "conda-forge has `transformers`, `datasets` and `tokenizers`",
    "anaconda": "it is Anaconda's own, as `defaults`; conda-forge has nearly all of it",
    "main": "it is Anaconda's own, as `defaults`; conda-forge has nearly all of it",
    "bioconda": "no other channel has its packages: allow it for the site, after conda-forge",
    "rapidsai": "no other channel has its packages: allow it for the site, before conda-forge",
}


def instead_of_channel(channel: str, allowed: Iterable[str]) -> str:
    """Return the remedy for a channel (a name or a url) that is not allowed."""
    last = channel.rstrip("/").rsplit("/", 1)[-1]
    if "://" in channel and last in allowed:
        return f"write `{last}`; lockstep_channel_alias selects the mirror"
    known = _CHANNELS.get(last if "://" in channel else channel.split("/label/")[0])
    return known or "most packages of other channels are on conda-forge, sometimes by another name"


def exact_python(name: str, constraint: str | None) -> str | None:
    """Return the release that `python ==3.12` (or `python 3.12`) means, 3.12.0; None for any other constraint."""
    match = re.fullmatch(r"==(3[.][0-9]+)", constraint or "")
    return f"{match[1]}.0" if match and name == "python" else None


def held_back(constraint: str | None) -> bool:
    """Return whether a version constraint excludes the newest versions."""
    return bool(constraint) and not re.fullmatch(r"[*\s]*|(>=?|!=)[^,|<=>]*(,(>=?|!=)[^,|<=>]*)*", constraint or "")


def check(versions: Mapping[str, str | None]) -> list[tuple[str, str, str, str, str]]:
    """Return (code, severity, package, message, remedy) for each known mistake in the requested packages.

    :param versions: by package name, the constraint on its version (None: any)
    """
    names = set(versions)
    mistakes = [
        ("wrong-name", ERROR, name, f"{name} does not exist on conda-forge as meant: {why}", remedy)
        for name, (why, remedy) in _WRONG.items()
        if name in names
    ]
    if "cudatoolkit" in names:
        with_framework = sorted(name for name in names & GPU_FRAMEWORKS if not held_back(versions[name]))
        message = "cudatoolkit ended with CUDA 11.8"
        if with_framework:
            message += f"; current {with_framework[0]} is not built for it"
        mistakes.append(
            (
                "cudatoolkit",
                ERROR if with_framework else WARNING,
                "cudatoolkit",
                message,
                "write `cuda-version 12.*`; packages that use CUDA depend on its libraries",
            )
        )
    return mistakes


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to `word`; None if none is similar."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.7)), None)
