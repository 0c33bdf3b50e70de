"""Application Migration Service, behind the few calls that set an account up."""

from collections.abc import Mapping
from typing import Any

from handlers.core.servers import KINDS, Change


class Servers:
    """The service in one region of the account."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def initialize(self) -> None:
        """Make the service usable in this region. An initialized one stays as it is."""
        self._client.initialize_service()

    def templates(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the templates of a kind, all of them."""
        found: list[Mapping[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            answer = getattr(self._client, f"describe_{kind}_configuration_templates")(**page)
            found += answer.get("items", [])
            if not answer.get("nextToken"):
                return found
            page = {"nextToken": answer["nextToken"]}

    def apply(self, kind: str, change: Change) -> None:
        """Carry a change out."""
        if change.act == "create":
            getattr(self._client, f"create_{kind}_configuration_template")(**change.fields)
        elif change.act == "update":
            update = getattr(self._client, f"update_{kind}_configuration_template")
            update(**{KINDS[kind]: change.template_id}, **change.fields)
