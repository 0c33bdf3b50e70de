"""The two ways a migration can go: forward from the source to the target, and back."""

from enum import StrEnum

from handlers.core.names import BLUE, GREEN


class Direction(StrEnum):
    """Which way an attempt leads. The source is blue, the target green; old is where it comes from."""

    FORWARD = "forward"
    BACK = "back"

    @property
    def old(self) -> str:
        """The side that is open before."""
        return BLUE if self is Direction.FORWARD else GREEN

    @property
    def new(self) -> str:
        """The side that is open afterwards."""
        return GREEN if self is Direction.FORWARD else BLUE

    @property
    def before(self) -> dict[str, int]:
        """The weights of a name before."""
        return {self.old: 100, self.new: 0}

    @property
    def after(self) -> dict[str, int]:
        """The weights of a name afterwards."""
        return {self.old: 0, self.new: 100}
