"""Large files to S3, in parts, going on where an upload that was killed has stopped.

Belongs here: which parts are there already, sending the others, and dropping what nobody will finish. Does not belong
here: which files are sent, and faults in words.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PART_BYTES = 16 << 20
_MOST_PARTS = 10_000  # of S3
_AT_ONCE = 4
_LONGEST_UPLOAD = timedelta(days=7)

Part = Mapping[str, Any]


def upload(
    client: Any,
    bucket: str,
    key: str,
    file: Path,
    metadata: Mapping[str, str],
    check: Callable[[], None],
    progress: Callable[[int], None],
) -> None:
    """Upload a file in parts; those that an earlier call has sent, and that hold these very bytes, stay.

    `check` may raise before the parts become the object. `progress` is told of the bytes that are there.
    """
    size = file.stat().st_size
    part_bytes = max(PART_BYTES, math.ceil(size / _MOST_PARTS))
    place = {"Bucket": bucket, "Key": key}
    upload_id = (
        _unfinished(client, bucket, key) or client.create_multipart_upload(**place, Metadata=metadata)["UploadId"]
    )
    place["UploadId"] = upload_id
    there = {part["PartNumber"]: part for part in _pages(client, "list_parts", "Parts", **place)}
    with file.open("rb") as stream, ThreadPoolExecutor(_AT_ONCE) as pool:

        def send(number: int) -> Part:
            content = os.pread(stream.fileno(), part_bytes, (number - 1) * part_bytes)
            part = there.get(number)
            if part is None or not _holds(part, content):
                part = client.upload_part(**place, PartNumber=number, Body=content)
            return {"PartNumber": number, **_marks(part)}

        parts: list[Part] = []
        try:
            for part in pool.map(send, range(1, math.ceil(size / part_bytes) + 1)):
                parts.append(part)
                progress(min(len(parts) * part_bytes, size))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    check()
    client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})


def drop_abandoned(client: Any, bucket: str, prefix: str) -> None:
    """Drop uploads below a prefix that were begun so long ago that nobody goes on with them."""
    for begun in _pages(client, "list_multipart_uploads", "Uploads", Bucket=bucket, Prefix=prefix):
        if begun["Initiated"] < datetime.now(UTC) - _LONGEST_UPLOAD:
            client.abort_multipart_upload(Bucket=bucket, Key=begun["Key"], UploadId=begun["UploadId"])


def _unfinished(client: Any, bucket: str, key: str) -> str | None:
    """The last upload of this key that was begun and not ended."""
    begun = _pages(client, "list_multipart_uploads", "Uploads", Bucket=bucket, Prefix=key)
    same = sorted((u for u in begun if u["Key"] == key), key=lambda u: u["Initiated"])
    return same[-1]["UploadId"] if same else None


def _holds(part: Part, content: bytes) -> bool:
    """Whether a part is of these bytes. Servers that encrypt mark parts otherwise: they are then sent again."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return bool(part["Size"] == len(content) and part["ETag"].strip('"') == digest)


def _marks(part: Part) -> dict[str, str]:
    """What the server wants to hear again of each part."""
    return {name: value for name, value in part.items() if name == "ETag" or name.startswith("ChecksumC")}


def _pages(client: Any, operation: str, listed: str, **where: str) -> Iterator[Part]:
    for page in client.get_paginator(operation).paginate(**where):
        yield from page.get(listed, ())
