"""The results bucket: gzip files written while they arrive by multipart upload, read through signed URLs."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from isal import isal_zlib

from portico.adapters import aws
from portico.errors import StorageUnavailable
from portico.ids import Random, base64url
from portico.retrieval import FHIR_NDJSON, File

# S3's least part size: what an open file holds in memory at most.
PART_BYTES = 5 * 1024 * 1024
_LEVEL = 1
_GZIP = 31
SIGNED_SECONDS = 300


class FileWriter:
    """One object, compressed as it is written; in parts once it outgrows one."""

    def __init__(self, bucket: str, key: str, content_type: str) -> None:
        self._target = {"Bucket": bucket, "Key": key}
        self._content = {"ContentType": content_type, "ContentEncoding": "gzip"}
        self._gzip = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        self._part = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._stored = False

    def write(self, data: bytes) -> None:
        """Appends. Raises StorageUnavailable."""
        self._part += self._gzip.compress(data)
        if len(self._part) >= PART_BYTES:
            self._send_part()

    def close(self) -> None:
        """The object is there. Raises StorageUnavailable."""
        self._part += self._gzip.flush()
        with aws.errors():
            if self._upload is None:
                aws.client("s3").put_object(**self._target, **self._content, Body=bytes(self._part))
            else:
                self._send_part()
                aws.client("s3").complete_multipart_upload(
                    **self._target, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
                )
        self._upload, self._stored = None, True
        self._part.clear()

    def abort(self) -> None:
        """Nothing of it remains. Raises StorageUnavailable."""
        self._part.clear()
        with aws.errors():
            if self._upload is not None:
                aws.client("s3").abort_multipart_upload(**self._target, UploadId=self._upload)
                self._upload = None
            elif self._stored:
                aws.client("s3").delete_object(**self._target)
                self._stored = False

    def _send_part(self) -> None:
        with aws.errors():
            if self._upload is None:
                begun = aws.client("s3").create_multipart_upload(**self._target, **self._content)
                self._upload = begun["UploadId"]
            number = len(self._parts) + 1
            sent = aws.client("s3").upload_part(
                **self._target, UploadId=self._upload, PartNumber=number, Body=bytes(self._part)
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._part.clear()


class NdjsonFiles:
    """A sink: one NDJSON file per FHIR type under a retrieval's prefix, each under a random name."""

    def __init__(self, bucket: str, prefix: str, random: Random) -> None:
        self._bucket, self._prefix, self._random = bucket, prefix, random
        self._open: dict[str, tuple[str, FileWriter]] = {}
        self._counts: dict[str, int] = {}

    def write(self, type_: str, line: bytes) -> None:
        """Appends a line to the file of that FHIR type. Raises StorageUnavailable."""
        if type_ not in self._open:
            key = f"{self._prefix}/{base64url(self._random(16))}"
            self._open[type_] = key, FileWriter(self._bucket, key, FHIR_NDJSON)
            self._counts[type_] = 0
        self._open[type_][1].write(line + b"\n")
        self._counts[type_] += 1

    def finish(self) -> Sequence[File]:
        """All files are there; sorted by type. Raises StorageUnavailable."""
        files = []
        for type_ in sorted(self._open):
            key, writer = self._open[type_]
            writer.close()
            files.append(File(type_, f"{type_}.ndjson", key, self._counts[type_]))
        return files

    def discard(self) -> None:
        """Nothing remains; what cannot be removed now is left to the bucket's lifecycle rules."""
        for _, writer in self._open.values():
            with suppress(StorageUnavailable):
                writer.abort()


class ResultsBucket:
    """Files by key."""

    def __init__(self, name: str, random: Random) -> None:
        self.name, self._random = name, random

    def ndjson_files(self, prefix: str) -> NdjsonFiles:
        """A sink under a prefix."""
        return NdjsonFiles(self.name, prefix, self._random)

    def file(self, key: str, content_type: str) -> FileWriter:
        """A single file."""
        return FileWriter(self.name, key, content_type)

    def signed_url(self, file: File) -> str:
        """A URL that whoever has it may read the file with, for five minutes."""
        url: str = aws.client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": self.name, "Key": file.key}, ExpiresIn=SIGNED_SECONDS
        )
        return url

    def delete(self, prefix: str) -> int:
        """Everything under a prefix is gone; how many objects that were. Raises StorageUnavailable."""
        deleted = 0
        with aws.errors():
            s3 = aws.client("s3")
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{prefix}/"):
                if keys := [{"Key": row["Key"]} for row in page.get("Contents", [])]:
                    answer = s3.delete_objects(Bucket=self.name, Delete={"Objects": keys, "Quiet": True})
                    if answer.get("Errors"):
                        raise StorageUnavailable
                    deleted += len(keys)
        return deleted
