"""The lines that a run prints about each lock."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.summary import lines


def test_summary_lines_show_size_variants_and_change(site):
    site.spec("python 3.12.*", "torch-like")
    outcome = site.one(system_requirements={"cuda": "12.9"})
    assert lines(outcome) == ["train        linux-64          3 packages     3 kB  CUDA 12.9, python 3.12.1  (changed)"]
    assert lines(outcome, written=False)[0].endswith("(would change)")
    outcome = site.one(system_requirements={"cuda": "12.9"}, write=False)
    assert lines(outcome, written=False)[0].endswith("(unchanged)")
