import pytest

from sandbox import lifecycle, stack
from sandbox.errors import SandboxError
from sandbox.lifecycle import Options

PRINTED = """Updating (sandbox):
 +  pulumi:pulumi:Stack s creating (0s) error: the configuration can't be used:
Diagnostics:
  pulumi:pulumi:Stack (s):
    error: the configuration can't be used:
      network.nat is 'two': write none, one or per_zone
      network.zone: there is no such key

    error: an unhandled error occurred: program exited with non-zero exit code: 1
    error: update failed
"""
BROKEN = """Diagnostics:
  pulumi:pulumi:Stack (s):
    error: python inline source runtime error: 'absent'
    Traceback (most recent call last):
      File "__main__.py", line 8, in <module>
    KeyError: 'absent'
"""


def test_what_the_engine_says_below_an_error_is_part_of_it() -> None:
    assert stack.errors(PRINTED) == (
        "the configuration can't be used: network.nat is 'two': write none, one or per_zone; "
        "network.zone: there is no such key"
    )


def test_of_a_mistake_the_last_sentence_is_the_reason() -> None:
    assert stack.errors(BROKEN) == "'absent'"


def test_without_an_error_line_the_end_of_what_was_printed_is_the_reason() -> None:
    assert stack.errors("panic: the engine\nfell over\n") == "panic: the engine\nfell over"


def test_a_stack_that_makes_its_source_needs_two_versions() -> None:
    options = Options("sandbox-unit", "examples/payments.yaml", source_version="18")
    with pytest.raises(SandboxError, match="makes source and target, .* give another --source-version or --target-"):
        lifecycle.start(options, print)
