"""CPU builds where the system requirements have CUDA."""


def test_cpu_build_of_a_gpu_framework_is_an_error(site):
    site.spec("torch-like")
    outcome = site.one(system_requirements={"cuda": "12.8"})
    assert [f.code for f in outcome.findings] == [
        "cpu-build"
    ] and "torch-like would be a CPU build" in outcome.findings[0].text()
    assert outcome.new_text is None


def test_finding_names_what_prevents_the_cuda_build(site):
    site.spec("python", "torch-like 2.*", "cuda-version 12.6.*")
    (finding,) = site.one(system_requirements={"cuda": "12.9"}).findings
    assert finding.code == "cpu-build" and finding.line == 4
    assert "a CUDA build with `cuda-version` in place of `cuda-version 12.6.*`" in finding.remedy
    assert "`torch-like=*=cpu*`" in finding.remedy
    site.spec("torch-like 2.*")
    (finding,) = site.one(system_requirements={"cuda": "12.8"}).findings
    assert "a CUDA build with cuda 12.9 in place of 12.8 in the system requirements" in finding.remedy


def test_framework_whose_newest_version_has_no_cuda_build_yet(site):
    site.channel.add("pytorch", "2.0", "cuda129_0", ["cuda-version >=12.9,<13", "__cuda"], number=5)
    site.channel.add("pytorch", "2.0", "cpu_0").add("pytorch", "2.1", "cpu_0")
    site.channel.add("trainer", "1.0", "0", ["pytorch"])
    for spec, way in [
        ("pytorch", "with `pytorch=*=*cuda*` in place of `pytorch` (then pytorch 2.0)"),
        ("pytorch >=2", "with `pytorch >=2 *cuda*` in place of `pytorch >=2` (then pytorch 2.0)"),
        ("pytorch 2.1.*", "with `pytorch=*=*cuda*` in place of `pytorch 2.1.*` (then pytorch 2.0)"),
        ("trainer", "with `pytorch=*=*cuda*` added (then pytorch 2.0)"),
    ]:
        site.spec(spec)
        (finding,) = site.one(system_requirements={"cuda": "12.9"}).findings
        assert finding.code == "cpu-build" and "pytorch would be a CPU build (cpu_0)" in finding.message
        assert finding.remedy.count("a CUDA build") == 1 and f"a CUDA build {way}" in finding.remedy
    for spec in ("pytorch >=2 *cuda*", "pytorch=*=*cuda*"):
        site.spec(spec)
        assert site.codes(system_requirements={"cuda": "12.9"}) == [] and site.versions()["pytorch"] == "2.0"
    site.spec("pytorch=*=cpu*")
    assert site.codes(system_requirements={"cuda": "12.9"}) == [] and site.versions()["pytorch"] == "2.1"


def test_request_for_one_cpu_package_does_not_allow_other_cpu_builds(site):
    site.channel.add("pytorch", "2.0", "cuda129_0", ["cuda-version >=12.9,<13", "__cuda"], number=5)
    site.channel.add("pytorch", "2.0", "cpu_0").add("pytorch-cpu", "2.0", "0", ["pytorch * cpu*"])
    site.channel.add("torchvision", "1.0", "cpu_0", ["pytorch * cpu*"])
    site.channel.add("torchvision", "1.0", "cuda_0", ["pytorch * cuda*", "cuda-version"], number=5)
    site.channel.add("faiss-cpu", "1.0", "0")
    for beside in ("torch-like=*=cpu*", "faiss-cpu"):
        site.spec("pytorch", "torchvision", beside)
        found = site.one(system_requirements={"cuda": "12.6"}).findings
        assert [(f.code, f.line) for f in found] == [("cpu-build", 2), ("cpu-build", 3)]
    for specs in (
        ("pytorch-cpu", "torchvision", "pytorch"),
        ("pytorch=*=cpu*", "torchvision"),
        ("pytorch", "torchvision=*=cpu*"),
    ):
        site.spec(*specs)
        assert site.codes(system_requirements={"cuda": "12.6"}) == [], specs


def test_requested_or_default_cpu_build_is_accepted(site):
    site.spec("torch-like=*=cpu*")
    assert site.codes(system_requirements={"cuda": "12.8"}) == []
    site.spec("arrow-like")  # the channel gives the CPU build to everybody
    assert site.codes(system_requirements={"cuda": "12.8"}) == [] and site.lock().packages[0].build == "h1_1_cpu"
    site.spec("torch-like")
    assert site.codes(system_requirements={}) == []  # a fleet without GPUs
