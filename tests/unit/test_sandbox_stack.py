import pytest

from sandbox import lifecycle, stack
from sandbox.errors import SandboxError
from sandbox.lifecycle import Options

PRINTED = """Updating (sandbox):
 +  pulumi:pulumi:Stack s creating (0s) error: python inline source runtime error: the configuration can't be used:
 +  pulumi:pulumi:Stack s creating (0s) error: an unhandled error occurred: the configuration can't be used:
Diagnostics:
  pulumi:pulumi:Stack (s):
    error: python inline source runtime error: the configuration can't be used:
      network.nat is 'two': write one of none, one
      network.zone: there is no such key

    Traceback (most recent call last):
      File "__main__.py", line 8, in <module>
    error: update failed
"""


def test_what_the_engine_says_below_an_error_is_part_of_it() -> None:
    assert stack.errors(PRINTED) == (
        "the configuration can't be used: network.nat is 'two': write one of none, one "
        "network.zone: there is no such key"
    )


def test_without_an_error_line_the_end_of_what_was_printed_is_the_reason() -> None:
    assert stack.errors("panic: the engine\nfell over\n") == "panic: the engine\nfell over"


def test_a_stack_that_makes_its_source_needs_two_versions() -> None:
    options = Options("sandbox-unit", "examples/payments.yaml", source_version="18")
    with pytest.raises(SandboxError, match="makes source and target, .* give another --source-version or --target-"):
        lifecycle.start(options, print)
