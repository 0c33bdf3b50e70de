"""Windows of time as AWS writes them, in UTC."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def overlap(daily: str, weekly: str) -> bool:
    """Say whether a daily window touches a weekly one, both in UTC."""
    day = 24 * 60

    def minutes(text: str) -> int:
        hours, rest = text.split(":")
        return 60 * int(hours) + int(rest)

    start, end = (minutes(part) for part in daily.split("-"))
    end += day if end <= start else 0
    first, last = (DAYS.index(part[:3]) * day + minutes(part[4:]) for part in weekly.split("-"))
    last += 7 * day if last <= first else 0
    return any(first < n * day + end and n * day + start < last for n in range(-1, 15))
