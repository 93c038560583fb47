"""Tombstones: one small object a deleted connection, in the results bucket, where no table's restore reaches."""

from collections.abc import Iterator

from portico.adapters import aws
from portico.instants import rfc3339

# The bucket keeps this folder by a rule of its own, longer than any table's backups.
TOMBSTONES = "tombstones"
_PAGE = 1000


class TombstoneFolder:
    """Named by connection id; the body is the time of the deletion and nothing else."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def leave(self, connection_id: str, at: float) -> None:
        """From now on this connection counts as deleted. Raises StorageUnavailable."""
        with aws.errors():
            aws.client("s3").put_object(
                Bucket=self._bucket,
                Key=f"{TOMBSTONES}/{connection_id}",
                Body=rfc3339(at).encode(),
                ContentType="text/plain",
            )

    def after(self, connection_id: str) -> Iterator[str]:
        """The ids of deleted connections in their order, from behind one of them. Raises StorageUnavailable."""
        pages = iter(
            aws.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(
                Bucket=self._bucket,
                Prefix=f"{TOMBSTONES}/",
                StartAfter=f"{TOMBSTONES}/{connection_id}",
                PaginationConfig={"PageSize": _PAGE},
            )
        )
        while True:
            with aws.errors():
                page = next(pages, None)
            if page is None:
                return
            yield from (row["Key"].removeprefix(f"{TOMBSTONES}/") for row in page.get("Contents", []))
