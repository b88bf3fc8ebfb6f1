"""All locks of a run: together or none, and with all findings."""


def test_check_mode_writes_nothing(site):
    site.spec("python")
    assert site.one(write=False).changed
    assert not site.settings.locks_dir.exists()


def test_an_error_in_one_spec_prevents_all_locks(site):
    site.spec("python", name="good")
    site.spec("nothing-like-this", name="bad")
    outcomes = {outcome.name: outcome for outcome in site.run()}
    assert outcomes["good"].changed and not outcomes["good"].findings and outcomes["bad"].findings
    assert not site.settings.locks_dir.exists()


def test_findings_of_all_specs_are_reported_at_once(site):
    site.spec("numpy=1.26", "defaults::six", name="a")
    site.spec("torch", name="b")
    assert site.codes() == ["fuzzy-pin", "channel-not-allowed", "wrong-name"]


def test_fuzzy_pin_without_a_current_lock_is_an_error_unless_that_lock_is_being_made(site):
    def severity(**changes):
        (finding,) = site.one(**changes).findings
        assert finding.code == "fuzzy-pin" and finding.line == 3
        return finding.severity

    site.spec("python 3.12.*", "numpy=1")
    assert severity(write=False) == "error" and not site.settings.locks_dir.exists()
    assert severity(write=True) == "warning" and site.versions()["numpy"] == "1.26"
    assert severity(write=False) == "warning", "the lock says what it came to"
    site.spec("python 3.12.*", "numpy=2")
    assert severity(write=False) == "error", "the lock is another spec's"


def test_fuzzy_pin_is_a_warning_where_other_errors_hide_whether_the_lock_is_current(site):
    site.spec("python 3.12.*", "numpy=1")
    site.one()
    site.spec("python 3.12.*", "numpy=1", "defaults::six")
    assert [(f.code, f.severity) for f in site.one(write=False).findings] == [
        ("fuzzy-pin", "warning"),
        ("channel-not-allowed", "error"),
    ]
