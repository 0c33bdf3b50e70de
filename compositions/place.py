"""Where a stack is deployed to: the account, the region and the zones to use, as the provider knows them."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Place:
    """An account's region. `provider` leads there where the stack's own configuration does not."""

    account: str
    region: str
    zones: list[str]
    provider: pulumi.ProviderResource | None = None

    @property
    def options(self) -> pulumi.ResourceOptions | None:
        """Options of a component here."""
        return pulumi.ResourceOptions(providers=[self.provider]) if self.provider is not None else None


def find(zones: int, provider: pulumi.ProviderResource | None = None) -> Place:
    """Return the place a provider, or else the stack's own configuration, leads to, with the first `zones` zones.

    Local zones, which an account may have opted in to, have neither NAT gateways nor Multi-AZ databases.
    """
    options = pulumi.InvokeOptions(provider=provider)
    ordinary = aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])
    names = aws.get_availability_zones(state="available", filters=[ordinary], opts=options).names
    return Place(
        account=aws.get_caller_identity(opts=options).account_id,
        region=aws.get_region(opts=options).region,
        zones=sorted(names)[:zones],
        provider=provider,
    )
