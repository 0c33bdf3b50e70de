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
