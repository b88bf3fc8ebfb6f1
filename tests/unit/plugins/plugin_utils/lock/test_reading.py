"""What is read before a lock is made: the spec, the old lock, the smoke tests."""

import pytest


def test_smoke_test_is_written_into_the_lock(site):
    site.spec("six")
    written = site.settings.envs_dir / "train.smoke.py"
    site.one()
    before = site.text()
    assert "smoke_test" not in before
    written.write_text("import six\n\nassert six.PY3\n")
    assert site.one(write=False).difference == ["! smoke test added"] and site.text() == before
    assert site.one().changed and site.lock().smoke_test == "import six\n\nassert six.PY3\n"
    added = [line for line in site.text().splitlines() if line not in before.splitlines()]
    assert added == ["    smoke_test: |", "      import six", "", "      assert six.PY3"]
    assert not site.one(write=False).changed
    written.write_text("import six, json\n")
    assert site.one().difference == ["! smoke test changed"] and site.lock().smoke_test == "import six, json\n"
    written.write_text("")
    assert site.one().difference == ["! smoke test changed"] and not site.one().changed
    written.unlink()
    assert site.one().difference == ["! smoke test removed"] and site.text() == before


@pytest.mark.parametrize("text", ["import six\r\n", "if 1:\n\timport six \n", "import six"])
def test_smoke_test_keeps_its_bytes(site, text):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").write_bytes(text.encode())
    assert site.one().changed and not site.one().changed
    assert site.lock().smoke_test == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"#" * 65536 + b"\n", "has 65537 bytes, more than 65536"),
        ("\u00e9".encode() * 32769, "has 65538 bytes, more than 65536"),
        (b"import six # \x00\n", "holds a NUL character"),
    ],
)
def test_smoke_test_that_is_too_long_or_has_nul_is_a_finding(site, data, said):
    site.spec("six")
    path = site.settings.envs_dir / "train.smoke.py"
    path.write_bytes(data)
    (finding,) = site.one().findings
    assert finding.message == f"its smoke test train.smoke.py {said}" and not site.settings.locks_dir.exists()
    path.write_bytes(b"#" * 65535 + b"\n")
    assert not site.one().findings and len(site.lock().smoke_test) == 65536


def test_smoke_test_that_is_no_file_is_a_finding(site):
    site.spec("six")
    (site.settings.envs_dir / "train.smoke.py").mkdir()
    (finding,) = site.one().findings
    assert finding.code == "unreadable" and finding.message == "its smoke test train.smoke.py: Is a directory"


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
