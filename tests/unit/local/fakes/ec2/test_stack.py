"""What is shown of Pulumi's run, and whose lock is removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from local.fakes.ec2 import stack
from tests.support.waiting import until


def test_the_engines_account_is_cut_to_what_is_wrong() -> None:
    text = """
Diagnostics:
  pulumi:pulumi:Stack (s):
    warning: using pulumi-resource-aws from $PATH at x
    error: update failed

    Traceback (most recent call last):
      File "x", line 1, in <module>
    KeyboardInterrupt

  aws:ec2:Vpc (v):
    error: CreateVpc: it is wrong
"""
    said = stack._ends(text)
    assert "CreateVpc: it is wrong" in said
    assert "Traceback" not in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (" +  aws:ec2:Instance dev-01 created (0.27s) ", "dev-01"),
        (" ++ aws:ec2:Instance a created replacement (0.27s) [diff: ~ami]", "a"),
        (" -  aws:ec2:Vpc v deleted (0.38s) ", "v"),
        (" ~  aws:ec2:Vpc v updated (1.38s) [diff: ~tags]", "v"),
        (" +  aws:ec2:Vpc v creating (0s) ", None),
        ("    aws:ec2:Vpc v ", None),
    ],
)
def test_progress_lines(line: str, name: str | None) -> None:
    found = stack.LINE.match(line)
    assert (found["name"] if found else None) == name


def test_a_lock_of_the_dead_is_told_from_one_of_the_living() -> None:
    child = subprocess.Popen(["true"])
    stat = Path(f"/proc/{child.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "it is dead, and not yet collected")
    assert not stack._runs_pulumi(child.pid)
    child.wait()
    assert not stack._runs_pulumi(child.pid)
    assert not stack._runs_pulumi(os.getpid())  # alive, but another program under an id used again
