"""Specs of the kinds that people bring along: each is locked as it should be, or refused with what repairs it.

`real_specs/` has a file for each common mistake, as found in public projects and cut down to what matters. Lint runs
everywhere; locks are made from real metadata, where a copy of some of it is at hand (LOCKSTEP_CONDA_FORGE_SUBSET).
"""

from __future__ import annotations

import fnmatch
import functools
import http.server
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings
from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec as specs

from tests.support.conda_forge import needs_metadata
from tests.support.package_index import Index

FOLDER = Path(__file__).parent / "real_specs"


@dataclass(frozen=True)
class Case:
    """What a file should come to, for hosts with linux-64 and CUDA 12.9.

    `lint`: each finding as `line code`, with a question mark where it is only a warning. `repaired`: (old, new) edits
    that the findings ask for. Then, where the metadata at hand tells what the whole channel would, one of `lock`:
    packages as patterns of `name version build` (`pip` for wheels); `refused`: parts of what is said where there is no
    lock.
    """

    lint: str = ""
    lock: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    repaired: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()  # names that the lock must not have


NO_PIP = ("  - pip:\n*", "")  # nothing of what pip is to bring can be had: the section is cut off

WHEELS = {  # an index has these, and nothing else: each with what it needs
    "accelerate": ("1.6.0", "numpy>=1.17"),
    "azureml-sdk": ("1.60.0", "azureml-core; extra == 'notebooks'"),
    "azureml-core": ("1.60.0",),
    "black": ("25.1.0", "click>=8"),
    "click": ("8.2.0",),
    "cuml-cu11": ("24.10.0",),
    "dm-tree": ("0.1.6", "numpy"),
    "keras": ("3.6.0", "numpy"),
    "psycopg2-binary": ("2.9.10",),
    "python-dateutil": ("2.9.0.post0", "six"),
    "six": ("1.17.0",),
    "snakemake-interface-executor-plugins": ("9.3.0",),
    "tom-registration": ("1.0.0",),
    "torch": ("2.1.0",),
    "triton": ("3.2.0",),
    "uvicorn": ("0.34.0", "httptools; extra == 'standard'"),
    "httptools": ("0.6.4",),
}

CASES = {
    "arrays": Case(lock=("numpy 2.*", "mypy 1.17.1 *", "xarray *", "rasterio *"), without=("pip",)),
    "blas-by-build": Case(lock=("libblas * *openblas", "compilers *", "scipy 1.*"), without=("mkl",)),
    "brackets": Case(lock=("h5py * nompi_*", "hdf5 * nompi_*", "netcdf4 1.7.* nompi_*"), without=("mpi",)),
    "channel-by-package": Case(
        "5 channel-not-allowed, 6 channel-not-allowed, 8 fuzzy-pin?, 11 channel-not-allowed, 12 channel-not-allowed, "
        "13 channel-not-allowed, 16 bad-pip-line",
        repaired=(
            ("  - bioconda\n  - pytorch\n", ""),
            ("  - bioconda::hmmer==3.3.2\n  - bioconda::kalign2==2.04\n", ""),
            ("pytorch::pytorch=1.12.*", "pytorch-gpu"),
            ("python=3.9", "python 3.12.*"),
            ("PyYAML==5.4.1", "PyYAML"),
            ("      - git+https://github.com/Dao-AILab/flash-attention.git@5b838a8\n", ""),
        ),
        lock=("pytorch * cuda*", "pyyaml *", "dm-tree 0.1.6 pip"),
    ),
    "ci-tools": Case(lock=("python 3.13.*", "ruff *", "pre-commit *", "types-psutil *")),
    "cuda-extension": Case(
        "8 fuzzy-pin?, 10 fuzzy-pin?",
        lock=("python 3.12.*", "cuda-version 12.9 *", "pytorch * cuda129*", "cuda-nvcc 12.9.*", "gxx 13.*"),
    ),
    "diffusion-2022": Case(
        "4 channel-not-allowed, 5 defaults, 7 fuzzy-pin?, 8 fuzzy-pin?, 9 cudatoolkit?, 9 fuzzy-pin?, 10 fuzzy-pin?, "
        "11 fuzzy-pin?, 12 fuzzy-pin?, 16 bad-pip-line, 17 bad-pip-line",
    ),
    "exact-python": Case("6 exact-python?", lock=("python 3.10.0 *",)),
    "export-of-conda-forge": Case(
        lock=("numpy 2.2.6 py312h72c5963_0", "python 3.12.12 hd63d673_1_cpython", "pip 25.3 *", "zstd *"),
    ),
    "export-of-defaults": Case(
        "4 channel-not-allowed, 5 defaults, 10 cudatoolkit?, 18 conda-and-pip, 20 prefix",
        repaired=(
            ("  - pytorch\n  - defaults\n", "  - conda-forge\n"),
            ("prefix: /home/someone/miniconda3/envs/export-of-defaults\n", ""),
            NO_PIP,
        ),
        refused=("unsolvable", "`numpy=1.24.3=py39hf6e8229_1`", "name one build, as exports do"),
    ),
    "git-tips": Case(
        "5 defaults, 7 fuzzy-pin?, 15 bad-pip-line, 16 bad-pip-line",
        repaired=(
            ("  - defaults\n", ""),
            ("      - git+https://github.com/dask/zict\n      - git+https://github.com/dask/distributed@main\n", ""),
        ),
        lock=("python 3.10.*", "dask *", "setuptools 70.*", "keras * pip"),
    ),
    "held-back": Case(
        "9 cudatoolkit?",
        refused=("9:5: error cpu-build: pytorch would be a CPU build", "a CUDA build without `cudatoolkit 11.8.*`"),
    ),
    "jax-gpu": Case(lock=("jaxlib * cuda12*", "cuda-version 12.*")),
    "labels": Case(
        "4 channel-not-allowed, 8 channel-not-allowed",
        repaired=(
            ("  - nvidia/label/cuda-11.8.0\n", ""),
            ("nvidia/label/cuda-11.8.0::cuda-toolkit", "cuda-toolkit\n  - cuda-version 12.*"),
        ),
        lock=("cuda-toolkit 12.*", "cuda-nvcc 12.*", "gxx_linux-64 11.*"),
    ),
    "many-channels": Case(
        "4 channel-not-allowed, 5 channel-not-allowed, 6 channel-not-allowed, 8 channel-not-allowed, 11 fuzzy-pin?, "
        "12 cudatoolkit, 20 duplicate-package",
    ),
    "no-channels": Case(
        "10 bad-pip-line",
        repaired=(
            ("  - git+https://github.com/someone/tom_registration.git@main#egg=tom_registration # a fork\n", ""),
        ),
        lock=("python 3.10.13 *", "fastapi *", "psycopg2-binary * pip", "tom-registration * pip"),
    ),
    "nodefaults": Case(
        "5 nodefaults, 13 fuzzy-pin?",
        repaired=((" - nodefaults\n", ""), ("pyarrow=10", "pyarrow >=10")),
        lock=("pyarrow *", "cartopy *", "zarr *"),
    ),
    "old-spellings": Case(lock=("sqlalchemy 2.*", "rtree *", "psycopg2 *", "black *")),
    "pip-index": Case(
        "4 channel-not-allowed, 5 channel-not-allowed, 8 fuzzy-pin?, 9 channel-not-allowed, 10 channel-not-allowed, "
        "14 bad-pip-line",
        repaired=(
            ("  - pytorch\n  - nvidia\n", ""),
            ("pytorch::pytorch=2.0.0", "pytorch-gpu"),
            ("  - pytorch::pytorch-cuda=11.7.0\n", ""),
            ("python=3.9", "python 3.12.*"),
            ("      - --extra-index-url https://wheels.example\n", ""),
        ),
        lock=("pytorch * cuda*", "omegaconf *", "pip *", "cuml-cu11 * pip"),
    ),
    "pip-and-conda-names": Case(
        "12 conda-and-pip, 13 conda-and-pip, 14 conda-and-pip, 15 conda-and-pip, 16 bad-pip-line, 17 duplicate-package",
    ),
    "pip-pins": Case(
        lock=(
            "numpy 2.*",
            "accelerate 1.6.0 pip",
            "uvicorn 0.34.0 pip",
            "httptools * pip",
            "azureml-core * pip",
            "black 25.* pip",
            "triton * pip",
            "python-dateutil 2.9.0.post0 pip",
        )
    ),
    "placeholders": Case("7 bad-dependency, 9 bad-dependency"),
    "python-of-elsewhere": Case(
        "7 fuzzy-pin?",
        refused=(
            "7:5: error unsolvable",
            "solvable with `python` in place of `python=3.7.13`",
        ),
    ),
    "requirements-file": Case(
        "10 bad-pip-line, 11 bad-pip-line, 12 bad-pip-line, 13 bad-pip-line",
        repaired=(
            ("      - -r requirements.txt\n      - --editable .\n", ""),
            ("      - openai-whisper @ git+https://github.com/openai/whisper.git\n", ""),
            ("torch=2.1", "torch==2.1.*"),
        ),
        lock=("python 3.11.*", "ffmpeg *", "torch 2.1.0 pip"),
    ),
    "selectors": Case(
        "8 cudatoolkit, 8 selector, 9 selector, 10 selector",
        repaired=(
            ("  - cudatoolkit  # [linux64]\n", ""),
            ("  - pywin32  # [win]\n", ""),
            ("  - sel(osx): clang_osx-64\n", ""),
        ),
        lock=("pytorch * cuda*", "rich *"),
    ),
    "statistics": Case(lock=("r-base 4.*", "r-ggplot2 *", "notebook 7.*", "statsmodels *")),
    "submodules": Case(
        "4 channel-not-allowed, 6 defaults, 8 cudatoolkit?, 8 fuzzy-pin?, 9 fuzzy-pin?, 11 fuzzy-pin?, 12 fuzzy-pin?, "
        "13 fuzzy-pin?, 16 bad-pip-line, 17 bad-pip-line",
    ),
    "tensorflow-gpu": Case(
        "6 fuzzy-pin?, 7 cudatoolkit, 7 fuzzy-pin?, 8 fuzzy-pin?, 9 wrong-name, 10 wrong-name, 11 wrong-name",
    ),
    "tutorials": Case("4 channel-not-allowed, 6 fuzzy-pin?, 7 fuzzy-pin?, 8 fuzzy-pin?, 11 fuzzy-pin?"),
    "url-channels": Case(
        "4 channel-not-allowed, 5 channel-not-allowed, 6 channel-not-allowed",
        repaired=(
            ("  - https://mirror.example/anaconda/cloud/conda-forge/\n", ""),
            ("  - https://mirror.example/anaconda/pkgs/main/\n", ""),
            ("  - http://conda.anaconda.org/gurobi\n", ""),
            ("python=3.10.15=he870216_1", "python 3.10.*"),
        ),
        lock=("python 3.10.*", "wheel *"),
    ),
    "wildcards": Case(lock=("python 3.12.*", "torchmetrics 1.*", "rich 14.*", "pytorch * cuda*")),
    "workflows": Case(
        "4 channel-not-allowed, 5 nodefaults, 11 duplicate-package",
        repaired=(("  - bioconda\n  - nodefaults\n", ""), ("  - appdirs\n  - boto3", "  - boto3")),
        lock=("python *", "nodejs *", "appdirs *", "snakemake-interface-executor-plugins * pip"),
    ),
}


def test_every_real_spec_has_a_case():
    assert set(CASES) == {path.stem for path in FOLDER.glob("*.yml")} and len(CASES) >= 20


@pytest.mark.parametrize("name", CASES)
def test_real_spec_has_the_expected_findings(name):
    _, problems = specs.read((FOLDER / f"{name}.yml").read_text(), f"envs/{name}.yml", name, ["conda-forge"])
    told = [f"{f.line} {f.code}{'?' if f.severity == found.WARNING else ''}" for f in problems]
    assert ", ".join(told) == CASES[name].lint
    for finding in problems:
        assert finding.message and finding.remedy and finding.column and "\n" not in finding.text()


def repaired(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    for old, new in edits:
        head, star, _ = old.partition("*") if old.endswith("\n*") else (old, "", "")
        assert head in text, head
        text = text[: text.index(head)] + new if star else text.replace(head, new, 1)
    return text


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The address of a package index of empty wheels, on loopback."""
    made = Index(tmp_path_factory.mktemp("index") / "simple")
    for name, (version, *needs) in WHEELS.items():
        made.add(name, version, *needs)
    handler = functools.partial(Quiet, directory=str(made.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


@needs_metadata
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.lock or case.refused])
def test_repaired_real_spec_is_locked_or_refused_as_expected(name, metadata, index, tmp_path):
    case = CASES[name]
    (tmp_path / "envs").mkdir()
    text = repaired((FOLDER / f"{name}.yml").read_text(), case.repaired)
    (tmp_path / "envs" / f"{name}.yml").write_text(text)
    system_requirements = {"cuda": "12.9", "glibc": "2.28"}
    (outcome,) = run(
        Settings(tmp_path / "envs", tmp_path / "locks", "dev", repodata_alias=str(metadata),
        system_requirements=system_requirements,
                 cache=tmp_path / "cache", pip_index=index),
        write=True,
    )  # fmt: skip
    said = "\n".join(finding.text() for finding in outcome.findings)
    if case.refused:
        assert outcome.new_text is None and not outcome.path.exists()
        assert all(part in said for part in case.refused), said
        return
    assert not found.errors(outcome.findings), said
    packages = Lock.loads(outcome.path.read_text(), name, ["conda-forge"]).of("linux-64")
    for wanted in case.lock:
        pattern = wanted.split() + ["*"] * (3 - len(wanted.split()))
        assert any(all(map(fnmatch.fnmatch, (p.name, p.version, p.build or p.manager), pattern)) for p in packages), (
            f"{wanted}: {[p for p in packages if p.name == pattern[0]]}"
        )
    assert not {p.name for p in packages} & set(case.without)
