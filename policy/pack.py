"""The rules as policies of the engine, under a stack's settings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.rule import Resource, Rule, StackRule
from policy.settings import Settings
from policy.settings import read as read_settings

NAME = "database-migration"


class Pack:
    """The policies, and the settings they judge by: the engine tells them after the policies are made."""

    def __init__(self, rules: Sequence[Rule | StackRule]) -> None:
        self.settings = Settings()
        self._rules = rules
        self.policies: list[Policy] = [
            *(_single(rule, self) if isinstance(rule, Rule) else _whole(rule, self) for rule in rules),
            StackValidationPolicy(
                name="mission-exceptions",
                description="Exceptions are made by name, with a reason, nearly all in development alone",
                validate=self._exceptions,
                severity=Severity.CRITICAL,
                enforcement_level=EnforcementLevel.MANDATORY,
            ),
        ]

    def configure(self, config: Mapping[str, str]) -> None:
        """Judge by a stack's configuration from here on."""
        self.settings = read_settings(config, NAME)
        for rule, policy in zip(self._rules, self.policies, strict=False):
            policy.enforcement_level = _enforced(rule, self.settings)

    def _exceptions(self, args: StackValidationArgs, report: ReportViolation) -> None:  # noqa: ARG002
        for line in self.settings.wrong([rule.full_name for rule in self._rules]):
            report(line, None)


def _enforced(rule: Rule | StackRule, settings: Settings) -> EnforcementLevel:
    return EnforcementLevel.MANDATORY if settings.mandatory(rule.level) else EnforcementLevel.ADVISORY


def _single(rule: Rule, pack: Pack) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type not in rule.types and rule.types != ("*",):
            return
        if pack.settings.excepted(rule.full_name, args.name):
            return
        resource = Resource(
            args.resource_type, args.name, args.props, args.opts.ignore_changes, args.opts.protect, args.urn
        )
        for line in rule.judge(resource):
            report(line, None)

    return _policy(ResourceValidationPolicy, rule, pack, validate)


def _whole(rule: StackRule, pack: Pack) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [
            Resource(
                *(found.resource_type, found.name, found.props, found.opts.ignore_changes, found.opts.protect),
                found.urn,
                [dependency.urn for dependency in found.dependencies],
            )
            for found in args.resources
        ]
        for resource, line in rule.judge(resources):
            if not pack.settings.excepted(rule.full_name, resource.name):
                report(f"{resource.name}: {line}", resource.urn)

    return _policy(StackValidationPolicy, rule, pack, validate)


def _policy(kind: Callable[..., Policy], rule: Rule | StackRule, pack: Pack, validate: Any) -> Policy:
    return kind(
        name=rule.full_name,
        description=rule.title,
        validate=validate,
        severity=Severity(rule.level.value),
        enforcement_level=_enforced(rule, pack.settings),
    )
