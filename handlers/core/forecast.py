"""How long nobody will be able to write, told before anybody is shut out."""

from dataclasses import asdict, dataclass

STEPS_SECONDS = 0.5
"""What ending sessions, sequences, records and the change of names take together, generously."""


@dataclass(frozen=True)
class Forecast:
    """The parts of a write gap, in seconds. `drain_seconds` is what a probe row took from one side to the other."""

    compare_seconds: float
    drain_seconds: float
    ttl_seconds: float
    propagation_seconds: float

    @property
    def fence_to_open_seconds(self) -> float:
        """What is ours: from the fence to the opened side."""
        return self.compare_seconds + self.drain_seconds + STEPS_SECONDS

    @property
    def write_gap_seconds(self) -> float:
        """What a client may see that connects anew: the names lead to the new side that long before it is open.

        Who has a session when the names are flipped writes until the fence: `fence_to_open_seconds`.
        """
        return self.fence_to_open_seconds + self.ttl_seconds + self.propagation_seconds

    def to_dict(self) -> dict[str, float]:
        """Return the parts and both sums, rounded to milliseconds."""
        sums = {"fence_to_open_seconds": self.fence_to_open_seconds, "write_gap_seconds": self.write_gap_seconds}
        return {name: round(value, 3) for name, value in {**asdict(self), **sums}.items()}


def reasons_against(forecast: Forecast, budget_seconds: float) -> list[str]:
    """Return why a switchover would take too long; empty where it fits into the budget."""
    if forecast.write_gap_seconds <= budget_seconds:
        return []
    parts = {
        "comparing busy tables": forecast.compare_seconds,
        "draining": forecast.drain_seconds,
        "the steps": STEPS_SECONDS,
        "the time to live": forecast.ttl_seconds,
        "DNS's propagation": forecast.propagation_seconds,
    }
    most = ", ".join(f"{what} {value:.1f} s" for what, value in parts.items())
    return [
        f"who connects anew could not write for {forecast.write_gap_seconds:.1f} s, above switchover.writeGapSeconds "
        f"{budget_seconds:.0f} ({most}): choose a quieter time, or raise the budget"
    ]
