"""Composes a stack from its configuration. `pulumi up` declares it and starts nothing."""

import pulumi

import compositions
from components import settings, stack_config

for name, value in compositions.declare(settings.load(stack_config.read())).items():
    pulumi.export(name, value)
