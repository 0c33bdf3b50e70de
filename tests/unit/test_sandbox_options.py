"""What a person may choose on the sandbox's command line, and what is refused there."""

import pytest

from sandbox.__main__ import _parser


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("0.0", 0.0), ("1.5", 1.5), ("120", 120.0)])
@pytest.mark.parametrize("command", ["up", "rehearse"])
def test_dns_may_take_up_to_two_minutes(command: str, text: str, seconds: float) -> None:
    assert _parser().parse_args([command, "--dns-propagation", text]).dns_propagation == seconds
    assert _parser().parse_args([command]).dns_propagation == 0


@pytest.mark.parametrize("text", ["-1", "121", "nan", "inf", "slow"])
def test_another_delay_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        _parser().parse_args(["rehearse", f"--dns-propagation={text}"])
    assert refused.value.code == 2
    assert f"--dns-propagation: {text} will not do: write a number from 0 to 120" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["up", "rehearse"])
def test_either_side_is_of_any_version_there_is(command: str) -> None:
    asked = _parser().parse_args([command, "--source-version", "18", "--target-version=16"])
    assert (asked.source_version, asked.target_version) == ("18", "16")
    usual = _parser().parse_args([command])
    assert (usual.source_version, usual.target_version) == ("16", "18")


@pytest.mark.parametrize("text", ["9.6", "15", "eighteen"])
def test_a_version_that_is_not_there_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        _parser().parse_args(["rehearse", f"--source-version={text}"])
    assert refused.value.code == 2
    assert f"--source-version: {text} will not do: here there are 16, " in capsys.readouterr().err
