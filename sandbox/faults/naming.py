"""Faults of Route 53: it throttles, is still at the change before, refuses for good, or takes its time."""

from sandbox.faults.fault import NEW, OLD, Fault
from sandbox.faults.interception import changed, pending
from sandbox.faults.undoing import damaged

FLIP = "<Comment>switchover "
"""How the batch begins that sends the names to the other side."""
FOR_EVER = 100_000
TRIES = 6
"""How often the functions' client tries: once, and five times more."""

FAULTS = (
    Fault(
        "route53-throttled",
        "Route 53 throttles the flip twice",
        NEW,
        (changed("Throttling", "Rate exceeded", 2, FLIP),),
    ),
    Fault(
        "route53-throttled-for-long",
        "Route 53 throttles the flip as often as it is tried",
        OLD,
        (changed("Throttling", "Rate exceeded", TRIES, FLIP),),
    ),
    Fault(
        "route53-prior-request",
        "Route 53 has not completed the change before when the names are to flip",
        NEW,
        (
            changed(
                "PriorRequestNotComplete", "The request was rejected because Route 53 was still processing", 2, FLIP
            ),
        ),
    ),
    Fault(
        "route53-refuses",
        "Route 53 refuses the flip and, twice, to take it back",
        OLD,
        (changed("AccessDenied", "a fault", 1, FLIP), changed("AccessDenied", "a fault", 2, "<Comment>undo of ")),
    ),
    Fault(
        "route53-refuses-the-way-back",
        "a row differs behind the fence, and Route 53 refuses twice to lead the names back",
        OLD,
        (changed("AccessDenied", "a fault", 2, "<Comment>undo of "),),
        damaged,
    ),
    Fault("route53-pending", "Route 53 needs some looks until a change is in force", NEW, (pending(12),)),
    Fault(
        "route53-never-in-force",
        "no change of Route 53 is ever in force, ahead of the fence",
        OLD,
        (pending(FOR_EVER),),
    ),
    Fault(
        "route53-flip-never-in-force",
        "the flip is never in force on every server of Route 53's",
        OLD,
        (pending(FOR_EVER, skip=1),),
    ),
)
