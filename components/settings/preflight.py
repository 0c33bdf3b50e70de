"""What is looked for before a replication starts: its section, and the ids of its rules.

The functions have the rules themselves, and nothing here imports a function's code.
"""

from typing import Annotated

from pydantic import Field

from components.settings.sections import Section

_WORDS = """
no-primary-key deferrable-key replica-identity-nothing lob-key array-without-key lob-too-large lob-unmeasured
unbounded-varchar numeric-unbounded infinite-date large-objects unlogged-table foreign-table partitioned-parent
inheritance generated-column names-differ-by-case unselected-table trigger-always rule-always event-trigger
unvalidated-constraint broken-index coalesce-index identity-always materialized-view-rights other-writers clients
superuser-session missing-sequence wal-level way-back-wal-level no-free-slot way-back-no-free-slot wal-sender-timeout
slot-limit abandoned-slot leftover-slot other-slot subscription prepared-transaction long-transaction
timeouts-of-our-roles sequence-exhausted rights-to-fence rights-to-read-log way-back-rights rights-to-read-rows
rights-to-write-rows rights-to-set-sequences row-security missing-role missing-membership missing-grant
missing-default-privilege missing-setting older-target encoding collation collation-version setting-differs less-room
missing-extension older-extension missing-table merged-names missing-object target-has-rows writer-weights long-ttl
"""
IDS = frozenset(_WORDS.split())
"""Every rule there is."""


Pattern = Annotated[str, Field(min_length=1, description="what it was found of, for example public.audit_log")]
Name = Annotated[str, Field(min_length=1, description="an application name, for example shop-dns")]


class ExcusedRule(Section):
    """A finding of preflight that somebody answers for."""

    rule: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$", description="the id of a rule, for example no-primary-key")
    objects: tuple[Pattern, ...] = Field(
        (), description='a list of what it was found of, * for any characters, for example ["public.audit_*"]'
    )
    reason: str = Field(min_length=10, max_length=500, description="why it does no harm, in 10 to 500 characters")


class ExcusedClient(Section):
    """Clients that may come to the source otherwise than by the managed name."""

    client: str = Field(
        min_length=3,
        description='3 characters or more, * for any characters, for example "backup from 10.1.* (pg_dump)"',
    )
    reason: str = Field(min_length=10, max_length=500, description="why they may, in 10 to 500 characters")


class Census(Section):
    """What is asked of the source's clients before a switchover."""

    required: bool = Field(
        False, description="true to refuse while a client does not come by the managed name, or false"
    )
    days: int = Field(7, ge=1, le=90, description="days from 1 to 90 that clients are remembered")
    managed: tuple[Name, ...] = Field(
        (), description='a list of application names that connection strings with the managed name set, as ["shop-dns"]'
    )
    excused: tuple[ExcusedClient, ...] = Field((), description="a list of clients with a reason")


class Preflight(Section):
    """What is looked for before the replication starts."""

    maximum_age_hours: int = Field(24, ge=1, le=720, description="hours from 1 to 720")
    lob_seconds: int = Field(300, ge=0, le=600, description="seconds from 0 to 600 that large objects are measured")
    census: Census = Field(default_factory=Census)
    excused_rules: tuple[ExcusedRule, ...] = Field(
        (),
        description="a list of rules with objects and a reason, for example "
        '[{rule: no-primary-key, objects: [public.audit_log], reason: "only ever appended to"}]',
    )
