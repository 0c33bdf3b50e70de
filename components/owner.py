"""Who a resource belongs to: the component that declares it, and what its name and tags begin with."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import checks


@dataclass(frozen=True)
class Owner:
    """The component that others' resources become children of: itself, its name and its tags."""

    parent: pulumi.Resource
    name: str
    tags: Mapping[str, str]

    @property
    def child(self) -> pulumi.ResourceOptions:
        """Options of a child."""
        return pulumi.ResourceOptions(parent=self.parent)

    def tagged(self, name: str) -> dict[str, str]:
        """Return the tags of a child called `name`."""
        return checks.tags_for(self.tags, name)
