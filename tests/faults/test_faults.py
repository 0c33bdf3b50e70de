"""A fault of each family on one stack under load: the quickest, the whole list is `make faults`."""

import os
from collections.abc import Iterator

import pytest

from sandbox.faults import catalogue
from sandbox.faults.run import RATE, ROWS
from sandbox.faults.stage import staged
from sandbox.faults.suite import Suite

QUICKEST = (
    *("compare-mismatch", "kill-after-reverse-done-compare-begins", "prepared-transaction", "abort-at-drain"),
    "lease-expires-after-flip",
)
"""In their order: all but the last leave the old side open, so that the next can strike."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    folder = tmp_path_factory.mktemp("faults")
    with staged(f"sandbox-faults-{os.getpid()}", ROWS, 7, folder, print) as stage:
        yield Suite(stage, folder, RATE, 7)


@pytest.mark.parametrize("name", QUICKEST)
def test_it_ends_as_it_may_and_costs_no_write(suite: Suite, name: str) -> None:
    [fault] = catalogue.named([name])
    outcome = suite.strike(fault, prove=False)
    assert outcome.wrong == []
    assert outcome.end in set(map(str, fault.expected))
    assert outcome.acknowledged > 0
    assert (outcome.lost, outcome.doubled, outcome.both_instants) == (0, 0, 0)
