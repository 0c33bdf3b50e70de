"""What the engine starts: the pack under the stack's own configuration."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import PolicyPack
from pulumi_policy import policy as engine

from policy.catalogue import RULES
from policy.pack import NAME, Pack

pack = Pack(RULES)
configure_stack = engine._PolicyAnalyzerServicer.ConfigureStack


def configure(self: Any, request: Any, context: Any) -> Any:
    """Take the stack's configuration from the engine, which sends it by this call; the library keeps only its tags."""
    pack.configure(dict(request.config))
    return configure_stack(self, request, context)


engine._PolicyAnalyzerServicer.ConfigureStack = configure  # type: ignore[assignment,method-assign]
PolicyPack(name=NAME, policies=pack.policies)
