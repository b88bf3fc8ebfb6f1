"""What the solver is told of hosts, platform by platform."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.system_requirements import SystemRequirements


def told(platform, **system_requirements):
    return {
        name: (version, build)
        for name, version, build in SystemRequirements.parse(system_requirements).virtual_packages(platform)
    }


def test_virtual_packages_of_linux_with_a_gpu():
    system_requirements = {"cuda": "12.8", "glibc": "2.35", "microarch": {"linux-64": "x86_64_v3"}}
    assert told("linux-64", **system_requirements) == {"__unix": ("0", "0"), "__linux": ("4.18", "0"),
                                                       "__glibc": ("2.35", "0"),
                                         "__archspec": ("1", "x86_64_v3"), "__cuda": ("12.8", "0")}  # fmt: skip
    assert told("linux-aarch64", **system_requirements)["__archspec"] == ("1", "aarch64")
    assert SystemRequirements.parse(system_requirements).constraints("linux-aarch64") == ["cuda-version <=12.8"]


def test_virtual_packages_without_cuda():
    assert "__cuda" not in told("osx-arm64", cuda="12.8") and "__cuda" not in told("linux-64")
    assert (
        SystemRequirements.parse({"cuda": "12.8"}).constraints("osx-arm64")
        == SystemRequirements.parse(None).constraints("linux-64")
        == []
    )
    assert told("osx-arm64") == {"__unix": ("0", "0"), "__osx": ("13.0", "0"), "__archspec": ("1", "m1")}


def test_lock_records_only_the_requirements_of_its_platforms():
    system_requirements = SystemRequirements.parse({"cuda": 13, "microarch": "x86_64_v3"})
    assert system_requirements.recorded(["linux-64"]) == {
        "cuda": "13", "glibc": "2.28", "linux": "4.18", "microarch": {"linux-64": "x86_64_v3"}}  # fmt: skip
    assert system_requirements.recorded(["osx-arm64"]) == {"osx": "13.0"}
