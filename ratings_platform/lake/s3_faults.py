"""Faults of S3 in words: which of them may pass, and what mends the others.

Belongs here: reading the errors of AWS's own library and of the Delta library's object store. Does not belong here:
trying again.

No error keeps its cause: servers repeat in their answers what was signed, session tokens included.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore import exceptions as aws
from deltalake.exceptions import DeltaError
from s3transfer.exceptions import RetriesExceededError

from ratings_platform.schema.errors import PlatformError, TransientError

ADDRESS = "Correct RATINGS_LAKE, AWS_REGION, AWS_PROFILE or AWS_ENDPOINT_URL."
CREDENTIALS = "Give valid AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role."
PERMISSIONS = (
    "Allow s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject, "
    "s3:DeleteObject, s3:ListMultipartUploadParts and s3:AbortMultipartUpload below the prefix."
)
_REGION = "Set AWS_REGION to the bucket's region."
_TRUST = "Name the authorities to trust: AWS_CA_BUNDLE, and SSL_CERT_FILE too."
_ROOM = "Free some space there and run again; readers still see the last version."

_GONE = ("a file of the lake is gone", "Run again; if that does not help, materialise the table anew.")
_DENIED = ("access is denied", PERMISSIONS)
_REFUSED = ("the credentials are not accepted", CREDENTIALS)
_ELSEWHERE = ("the bucket is in another region", _REGION)
_FULL = ("the storage is full", _ROOM)
# By the code of an answer, or by its status where it has none.
_PERMANENT = {
    "NoSuchBucket": ("there is no such bucket", "Create it, or correct RATINGS_LAKE."),
    "InvalidBucketName": ("this cannot be a bucket's name", "Correct RATINGS_LAKE."),
    **dict.fromkeys(("NoSuchKey", "404"), _GONE),
    "NotImplemented": ("the server lacks what a lake needs", "Use one that knows conditional and multi-part puts."),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set the clock."),
    "InvalidObjectState": ("a file of the lake is in an archive class", "Restore it, and keep the lake out of them."),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403"), _DENIED),
    **dict.fromkeys(
        ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "Unauthorized", "401"), _REFUSED
    ),
    **dict.fromkeys(("AuthorizationHeaderMalformed", "PermanentRedirect", "301"), _ELSEWHERE),
    **dict.fromkeys(("QuotaExceeded", "XMinioStorageFull", "507"), _FULL),
}
_PASSING = {
    "BadDigest",
    "ConditionalRequestConflict",
    "InternalError",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "ServiceUnavailable",
}
_PASSING_STATUS = {408, 409, 425, 429, 500, 502, 503, 504}

# What the object store says of the answer that it got, or of why it got none.
_OBJECT_STORE = re.compile(r"Generic S3 error|performing (?:GET|PUT|POST|DELETE|HEAD|list)|privileges to complete")
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code\W+(?:\[\d+m\W+)*(\w+)\)")
_SERVER = re.compile(r"https?://[\w.:\[\]-]+")
_STATUS = re.compile(r"\b([345]\d\d) [A-Z]")
_WORDS = {
    "dns error": ("the server's name is not known", ADDRESS),
    "certificate": ("the server's certificate is not trusted", _TRUST),
    "redirect": _ELSEWHERE,
}


@contextmanager
def as_platform_errors(address: str) -> Iterator[None]:
    """Turn faults of S3 at `address` into a PlatformError with a remedy or a TransientError."""
    try:
        yield
    except aws.ClientError as error:
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise refusal(address, answer["Error"]["Code"], status) from None
    except aws.SSLError:
        raise PlatformError("the server's certificate is not trusted", file=address, remedy=_TRUST) from None
    except (aws.ConnectionError, aws.HTTPClientError, aws.IncompleteReadError, RetriesExceededError) as error:
        raise _unanswered(address, error) from None
    except aws.FlexibleChecksumError:
        raise TransientError(f"{address}: a file came with other bytes than its checksum says") from None
    except (
        aws.CredentialRetrievalError,
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.SSOError,
        aws.TokenRetrievalError,
    ) as error:
        raise PlatformError(_line(error), file=address, remedy=CREDENTIALS) from None
    except aws.BotoCoreError as error:
        raise PlatformError(_line(error), file=address, remedy=ADDRESS) from None
    except (DeltaError, OSError) as error:
        if _OBJECT_STORE.search(str(error)):
            raise _of_object_store(address, str(error)) from None
        raise


def refusal(address: str, code: str, status: int) -> PlatformError | TransientError:
    """The error for an answer of S3, by its code and its HTTP status."""
    known = _PERMANENT.get(code)
    if known is None and (code in _PASSING or status in _PASSING_STATUS or "Throttl" in code):
        return TransientError(f"{address}: S3 cannot do this now ({code})")
    problem, remedy = known or _PERMANENT.get(str(status)) or ("S3 refuses this", "Look the code up in S3's reference.")
    return PlatformError(f"{problem} ({code})", file=address, remedy=remedy)


def _unanswered(address: str, error: Exception) -> PlatformError | TransientError:
    if type(getattr(error, "kwargs", {}).get("error")) in (ValueError, UnicodeEncodeError):
        # A header refused what it was to hold; the words repeat it.
        return PlatformError("a request could not be made with these credentials", file=address, remedy=CREDENTIALS)
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        return PlatformError("the server's name is not known", file=address, remedy=ADDRESS)
    return _no_answer(address, " ".join(map(str, _causes(error))), type(error).__name__)


def _no_answer(address: str, text: str, kind: str | None = None) -> TransientError:
    server = _SERVER.search(text)
    where, why = f" at {server[0]}" if server else "", f" ({kind})" if kind else ""
    return TransientError(
        f"{address}: S3{where} does not answer, or not to the end{why}; AWS_ENDPOINT_URL and AWS_REGION say where it is"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_object_store(address: str, text: str) -> PlatformError | TransientError:
    code, status = _CODE.search(text), _STATUS.search(text)
    if code or status:
        number = int(status[1]) if status else 0
        words = HTTPStatus(number).phrase if number in HTTPStatus._value2member_map_ else str(number)
        return refusal(address, code[1] or code[2] if code else words, number)
    for words, (problem, remedy) in _WORDS.items():
        if words in text:
            return PlatformError(problem, file=address, remedy=remedy)
    return _no_answer(address, text)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
