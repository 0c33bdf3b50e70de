"""A pack of one rule: every stack breaks it, so that a test sees it at work."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def no_vpc(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    if args.resource_type == "aws:ec2/vpc:Vpc":
        report_violation(f"no VPC may have the block {args.props['cidrBlock']}")


PolicyPack(
    name="unit",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="no-vpc", description="No VPC at all", validate=no_vpc)],
)
