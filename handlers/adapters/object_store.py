"""A bucket in which a validation's chunks and results lie. S3 shows what was written to whoever reads it next."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 10
"""So many objects are read at the same time, and held: one may be of a megabyte. A client has no more connections."""


class ObjectStore:
    """Objects of text under names, in one bucket, which encrypts them."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def put(self, name: str, text: str) -> None:
        """Write an object, in the place of one of that name."""
        self._client.put_object(Bucket=self._bucket, Key=name, Body=text.encode(), ContentType="application/json")

    def get(self, name: str) -> str:
        """Return an object. Raises KeyError where there is none."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
        except self._client.exceptions.NoSuchKey:
            raise KeyError(name) from None
        return str(answer["Body"].read().decode())

    def many(self, names: Sequence[str]) -> Iterator[str]:
        """Return objects in this order, some of them read ahead."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for first in range(0, len(names), AT_ONCE):
                yield from pool.map(self.get, names[first : first + AT_ONCE])

    def names(self, prefix: str) -> set[str]:
        """Return the names that begin so."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return {str(one["Key"]) for page in pages for one in page.get("Contents", [])}
