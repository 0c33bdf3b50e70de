"""What every stack has, whatever it is composed of."""

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

from pydantic import Field, model_validator

from components.settings import consistency
from components.settings.sections import Monitoring, Network, Policy, Section, Text

NAME = r"^[a-z](-?[a-z0-9])+$"


class Contradictions(ValueError):
    """What is wrong though every key alone is right, a line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))


class Site(Protocol):
    """What components in one network and one region are told: a whole stack, or one side of it."""

    @property
    def prefix(self) -> str:
        """Name that everything starts with."""

    @property
    def all_tags(self) -> dict[str, str]:
        """Tags of every resource."""

    @property
    def network(self) -> Network:
        """The VPC."""

    @property
    def monitoring(self) -> Monitoring:
        """Alarms, messages and logs."""


class Root(Section):
    """The root of a stack's settings; each composition adds its own sections."""

    composition: str = Field(description="the name of a composition")
    environment_suffix: str = Field(
        min_length=2,
        max_length=20,
        pattern=NAME,
        description="2 to 20 small letters, digits and single dashes, for example dev",
    )
    tags: dict[str, Text] = Field(default_factory=dict, description="a map of tag names to values")
    monitoring: Monitoring = Field(default_factory=Monitoring)
    policy: Policy = Field(default_factory=Policy)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self.contradictions())
        if problems:
            raise Contradictions(problems)
        return self

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        yield from consistency.policy(self.policy)

    @property
    def prefix(self) -> str:
        """Name that everything of this stack starts with."""
        return f"migration-{self.environment_suffix}"

    @property
    def all_tags(self) -> dict[str, str]:
        """Tags of every resource: the configured ones, the environment and who manages it."""
        return {"Environment": self.environment_suffix, "ManagedBy": "pulumi", **self.tags}


class Stack(Root):
    """The root of a stack with one network."""

    network: Network = Field(default_factory=Network)

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        yield from super().contradictions()
        yield from consistency.network(self.network)
