"""Ids of preflight's rules: the functions have the rules themselves, and nothing here imports a function's code."""

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
