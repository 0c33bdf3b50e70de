"""Names in Route 53: their weights and times to live, moved together and by nobody late."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from handlers.core import names
from handlers.core.record import Superseded

COMMENT_LIMIT = 256
"""Characters of a change batch's comment."""


class NameGroup:
    """The weighted records in Route 53 of several names of one zone, which move together or not at all.

    `token_name` is the TXT record that keeps the token of who moved them last; empty where they have none.
    """

    def __init__(self, client: Any, zone_id: str, group: Sequence[str], token_name: str = "") -> None:
        self._client = client
        self._zone_id = zone_id
        self._group = tuple(group)
        self._token_name = token_name

    def weights(self) -> dict[str, dict[str, int]]:
        """Return the weight of each side of every name as Route 53 has them now."""
        return {name: names.weights(self._read(name)) for name in self._group}

    def ttl(self) -> int:
        """Return for how many seconds a resolver may keep any of the records."""
        return max(names.ttl(self._read(name)) for name in self._group)

    def last_token(self) -> int:
        """Return the token of who moved the names last."""
        return names.token(self._token_record())

    def shift(
        self, weights: Mapping[str, Mapping[str, int]], why: str, ttl: int | None = None, *, token: int | None = None
    ) -> str:
        """Give every name its weights in one change batch, read back, and return the change's id.

        Times to live stay as they are unless `ttl`, in seconds, is given. The change is in force everywhere once it is
        INSYNC, not before. Raises NamesError if the read-back differs, Superseded if who came with a later `token` has
        moved the names: the token is passed on in the same batch, so nobody can be late with his.
        """
        changes, wanted = [], {}
        for name in self._group:
            found = self._read(name)
            wanted[name] = (dict(weights[name]), names.ttl(found) if ttl is None else ttl)
            changes += names.shift(found, *wanted[name])
        answer = self._change(changes, why, token)
        for name in self._group:
            found = self._read(name)
            if (names.weights(found), names.ttl(found)) != wanted[name]:
                raise names.NamesError(
                    f"{name} reads back {names.weights(found)} after it was set to {wanted[name][0]}"
                )
        return str(answer["ChangeInfo"]["Id"])

    def _change(self, changes: list[dict[str, Any]], why: str, token: int | None) -> Any:
        """Carry out one batch, and pass the token on in it if there is one."""
        while True:
            passing: list[dict[str, Any]] = []
            seen: names.RecordSet = {}
            if token is not None:
                seen = self._token_record()
                if names.token(seen) > token:
                    raise Superseded(f"{', '.join(self._group)} were moved with a later token than {token}")
                passing = names.pass_token(seen, token)
            batch = {"Comment": why[:COMMENT_LIMIT], "Changes": [*passing, *changes]}
            try:
                return self._client.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch=batch)
            except ClientError as error:
                refused = token is not None and error.response["Error"]["Code"] == "InvalidChangeBatch"
                if not refused or self._token_record() == seen:
                    raise  # else somebody came in between: look again who is later

    def in_sync(self, change_id: str) -> bool:
        """Say whether a change is in force on every name server of Route 53."""
        return bool(self._client.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC")

    def _token_record(self) -> names.RecordSet:
        page = self._client.list_resource_record_sets(
            HostedZoneId=self._zone_id, StartRecordName=self._token_name, StartRecordType="TXT", MaxItems="1"
        )
        return names.only(page["ResourceRecordSets"], self._token_name, "TXT")

    def _read(self, name: str) -> dict[str, names.RecordSet]:
        page = self._client.list_resource_record_sets(
            HostedZoneId=self._zone_id, StartRecordName=name, StartRecordType="CNAME"
        )
        return names.weighted(page["ResourceRecordSets"], name)
