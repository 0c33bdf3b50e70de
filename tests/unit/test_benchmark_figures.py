"""The figures of the benchmarks: nothing is made prettier than it was."""

from benchmarks.switchover.figures import percentile, spread, steps


def test_p99_of_twenty_is_the_worst() -> None:
    values = [float(number) for number in range(20, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99)) == (10.0, 20.0)
    assert spread(values) == {"p50": 10.0, "p99": 20.0, "least": 1.0, "most": 20.0}


def test_one_value_is_all_of_them() -> None:
    assert spread([0.12345]) == {"p50": 0.123, "p99": 0.123, "least": 0.123, "most": 0.123}


def test_every_step_has_its_own_spread_in_the_order_of_the_first_run() -> None:
    runs = [{"steps": {"fence": 0.1, "drain": 0.2}}, {"steps": {"drain": 0.4, "fence": 0.3}}]
    found = steps(runs)
    assert list(found) == ["fence", "drain"]
    assert found["fence"]["most"] == 0.3
