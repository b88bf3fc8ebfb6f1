"""Any change of a valid lock: an error, or packages that can be verified and planned."""

import re

import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, LockError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hostile import JSON_VALUES
from tests.support.lock_samples import lock, with_content_hashes

SAMPLE = lock(custom={"variables": '{"A": "1"}', "system_requirements": '{"cuda": "12.8"}'}).dumps()


def paths(data, prefix=()):
    yield prefix
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from paths(value, (*prefix, key))


SAMPLE_PATHS = [path for path in paths(yaml.safe_load(SAMPLE)) if path]


def sound(text: str) -> None:
    """Either refused with a message, or every package can be verified and planned."""
    try:
        read = Lock.loads(text, "x")
    except LockError as error:
        assert str(error)
        return
    assert all(re.fullmatch("[0-9a-f]{64}", p.sha256) for p in read.packages)
    for platform in read.platforms:
        try:
            made = lockfile.plan(read, "train", platform)
        except LockError:
            continue
        assert plans.check(made.to_json()) == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(SAMPLE_PATHS), st.none() | JSON_VALUES | st.text()), min_size=1, max_size=3))
def test_lock_with_changed_values_is_sound_or_refused(changes):
    document = yaml.safe_load(SAMPLE)
    for path, value in changes:
        parent = document
        try:
            for key in path[:-1]:
                parent = parent[key]
            if value is None:
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    sound(with_content_hashes(document))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 40), st.text(max_size=12))
def test_lock_with_changed_text_is_sound_or_refused(at, length, insert):
    sound(SAMPLE[:at] + insert + SAMPLE[at + length :])


@settings(max_examples=200, deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_sound_or_refused(text):
    sound(text)
