"""A state in DynamoDB that only who has read its newest version may change, and a line of history with every change."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

Item = Mapping[str, Any]


def put(client: Any, table: str, state: Item, line: Item, *, read_version: int) -> bool:
    """Store `state`, and `line` under a key of its own, both or neither. False where somebody stored a version since.

    `state` carries its new `version`; `read_version` is the one it was made from.
    """
    try:
        client.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": table,
                        "Item": state,
                        "ConditionExpression": "attribute_not_exists(#version) OR #version = :version",
                        "ExpressionAttributeNames": {"#version": "version"},
                        "ExpressionAttributeValues": {":version": {"N": str(read_version)}},
                    }
                },
                {"Put": {"TableName": table, "Item": line}},
            ]
        )
    except ClientError as error:
        reasons: Any = error.response.get("CancellationReasons") or [{}]
        if reasons[0].get("Code") != "ConditionalCheckFailed":  # of the state; all else is no other version
            raise
        return False
    return True
