"""What is read before a lock is made: the spec, the old lock, the smoke tests."""

import pytest


def test_smoke_test_is_copied_beside_the_lock(site):
    site.spec("six")
    written, kept = site.settings.envs_dir / "train.smoke.py", site.settings.locks_dir / "dev" / "train.smoke.py"
    site.one()
    assert not kept.exists()
    written.write_text("import six\n")
    assert site.one(write=False).difference == ["! smoke test added"] and not kept.exists()
    assert site.one().changed and kept.read_text() == "import six\n"
    assert not site.one(write=False).changed
    before = site.text()
    written.write_text("import six, json\n")
    outcome = site.one()
    assert outcome.changed and not outcome.lock_changed and outcome.difference == ["! smoke test changed"]
    assert kept.read_text() == "import six, json\n" and site.text() == before
    written.unlink()
    assert site.one().difference == ["! smoke test removed"] and not kept.exists()


def test_smoke_test_that_is_not_utf8_is_a_finding(site):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").write_bytes(b"import six # \xff\n")
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and "its smoke test train.smoke.py is not UTF-8 (byte 14)" in finding.message


@pytest.mark.parametrize(("encoding", "words"), [("utf-16", "as PowerShell's `>` writes"), ("latin-1", "byte 13")])
def test_spec_in_another_encoding_is_a_finding(site, encoding, words):
    (site.settings.envs_dir / "train.yml").write_bytes(
        "# pour les b\u00eates\ndependencies: [python]\n".encode(encoding)
    )
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and words in finding.message and finding.remedy == "save it as UTF-8"


def test_damaged_lock_is_made_again_with_a_warning(site):
    site.spec("python")
    site.one()
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    good = path.read_text()
    path.write_text(good.replace("3.13.1", "3.13.2"))
    assert site.codes() == ["old-lock"] and path.read_text() == good


def test_lock_with_windows_line_ends_is_unchanged(site):
    site.spec("python")
    site.one()
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not site.one(write=False).changed
    site.spec("python", "six")
    site.one()
    assert b"\r" not in path.read_bytes() and "six" in site.versions()


def test_lock_that_is_not_text_is_made_again(site):
    site.spec("python")
    path = site.settings.locks_dir / "dev" / "train.conda-lock.yml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe")
    assert site.codes() == ["old-lock"] and site.versions()["python"] == "3.13.1"
