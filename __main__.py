"""Composes a stack from its configuration. `pulumi up` declares it and starts nothing."""

import pulumi

import compositions
from components import settings, stack_config

config = settings.load(stack_config.read(), stack_config.region(), stack_config.secrets())
settings.check_account(config, stack_config.account())
for name, value in compositions.declare(config).items():
    pulumi.export(name, value)
