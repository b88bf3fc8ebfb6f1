"""The packages that the lock prefers: those that the environment holds."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock
from ansible_collections.lockstep.fleet.plugins.plugin_utils.import_env.run import run

from tests.support.import_site import dependencies


def test_one_of_two_files_with_one_name_is_chosen_by_checksum_or_folder(site):
    site.channel.add("six", "1.17", "pyhd_0", ["python"], subdir="linux-64")
    both = [site.channel.records[subdir, "six-1.17-pyhd_0.conda"] for subdir in ("noarch", "linux-64")]
    both[1]["md5"] = "5" * 32
    site.channel.write()
    for record in both:
        for known in ("sha256", "md5"):
            hashes = {"sha256": "", "md5": "", "subdir": record["subdir"]} | {known: record[known]}
            prefix = site.prefix("python 3.12", "six", name=f"{record['subdir']}-{known}", six=hashes)
            made = run(site.settings(prefix), write=False)
            assert made.exact, (prefix.name, made.notes)


def test_cuda_and_cpu_builds_are_kept(site):
    for build, wanted in (("cuda126", "pytorch=*=cuda*"), ("cpu", "pytorch=*=cpu*")):
        prefix = site.prefix("python 3.12", f"pytorch 2.5.1 {build}", "cuda-version 12.8", name=build)
        made = run(site.settings(prefix, system_requirements={"cuda": "12.9"}), write=False)
        assert wanted in dependencies(made) and made.exact, made.notes
        assert {p.build for p in Lock.loads(made.lock).packages if p.name == "pytorch"} == {
            "cuda126_0" if build == "cuda126" else "cpu_generic_0"
        }
