"""Lint rules about channels and packages of other origins."""

import pytest

from tests.support.spec_samples import read, with_dependencies


@pytest.mark.parametrize(
    ("framework", "severity"),
    [("pytorch", "error"), ("pytorch >=2", "error"), ("pytorch <2.4", "warning"), ("pytorch 2.1.*", "warning")],
)
def test_cudatoolkit_beside_a_framework(framework, severity):
    (finding,) = read(with_dependencies("python 3.11.*", "cudatoolkit 11.8.*", f"'{framework}'"))[1]
    assert (finding.code, finding.severity, finding.line) == ("cudatoolkit", severity, 3)


def test_finding_about_a_channel_names_the_replacement():
    def remedy(channel: str) -> str:
        (finding,) = read(f"channels: ['{channel}']\n" + with_dependencies("python"))[1]
        return finding.remedy

    assert "`pytorch-gpu`" in remedy("pytorch") and "`cuda-nvcc`" in remedy("nvidia/label/cuda-12.1.0")
    assert "write `conda-forge`; lockstep_channel_alias selects the mirror" in remedy(
        "https://mirror.example/cloud/conda-forge/"
    )
    assert "write `conda-forge`" in remedy("http://conda.anaconda.org/conda-forge")
    assert "Anaconda's own" in remedy("https://repo.anaconda.com/pkgs/main") and "most packages" in remedy("somebody")
