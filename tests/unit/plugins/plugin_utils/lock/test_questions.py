"""What a spec asks the solver: platforms, virtual packages, names."""


def test_cuda_version_is_capped_to_the_system_requirements(site):
    site.spec("python", "cuda-version 12.*")
    site.one(system_requirements={"cuda": "12.8"})
    assert site.versions()["cuda-version"] == "12.8"
    site.one(system_requirements={"cuda": "12.9"}, upgrade=True)
    assert site.versions()["cuda-version"] == "12.9"


def test_cuda_builds_are_for_linux_only(site):
    site.spec("torch-like", "python 3.12.*")
    site.one(system_requirements={"cuda": "12.9"}, platforms=("linux-64", "osx-arm64"))
    builds = {p.platform: p.build for p in site.lock().packages if p.name == "torch-like"}
    assert builds == {"linux-64": "cuda129_0", "osx-arm64": "cpu_0"}


def test_glibc_and_microarchitecture_follow_the_system_requirements(site):
    site.spec("new-glibc")
    assert site.codes(system_requirements={"glibc": "2.28"}) == ["unsolvable"]
    assert site.codes(system_requirements={"glibc": "2.35"}) == []
    site.spec("fast")
    assert site.codes() == ["unsolvable"]
    assert site.codes(system_requirements={"microarch": {"linux-64": "x86_64_v3"}}) == []


def test_platforms_are_those_of_the_spec_that_the_site_has(site):
    site.spec("python", more="platforms: [osx-arm64]\n")
    (finding,) = site.one(platforms=("linux-64",)).findings
    assert (finding.code, finding.line, finding.column) == ("no-platform", 3, 12)
    site.one(platforms=("linux-64", "osx-arm64"))
    assert site.lock().platforms == ("osx-arm64",)
    assert site.codes(platforms=("linux-64",)) == ["no-platform"]


def test_unknown_package_is_a_finding_with_a_suggestion(site):
    site.spec("numpi", "python")
    (finding,) = site.one().findings
    assert finding.code == "unknown-package" and (finding.line, finding.column) == (2, 5)
    assert "numpi does not exist in conda-forge for linux-64; did you mean numpy?" in finding.text()
    site.spec("python", "six", "zzz")
    (finding,) = site.one(platforms=("linux-64", "osx-arm64")).findings
    assert (
        "zzz does not exist in conda-forge for linux-64, osx-arm64; search the channel" in finding.text()
        and finding.line == 4
    )


def test_name_from_the_python_index_is_answered_with_the_channels_name(site):
    site.channel.add("py-xgboost").add("typing_extensions")
    site.spec("xgboost", "typing-extensions")
    xgboost, typing = site.one().findings
    assert xgboost.remedy == "its name there is py-xgboost" and typing.remedy == "its name there is typing_extensions"


def test_package_for_other_platforms_only_is_a_finding(site):
    site.spec("python", "new-glibc")
    (finding,) = site.one(platforms=("linux-64", "osx-arm64")).findings
    assert "new-glibc does not exist in conda-forge for osx-arm64, only for linux-64; " in finding.text()
    assert finding.remedy.endswith("`platforms: [linux-64]`") and finding.line == 3
    site.spec("python", "new-glibc", more="platforms: [linux-64]\n")
    assert site.codes(platforms=("linux-64", "osx-arm64"), system_requirements={"glibc": "2.35"}) == []
