"""The warehouse's password, from wherever the settings say that it stands.

Belongs here: reading the password file, asking AWS Secrets Manager, and what people read when there is no password to
be had. Does not belong here: the settings themselves, and using the password.

AWS's packages are imported only when a secret is asked for. No error repeats a secret's name: who took the setting for
the password itself shall not find it in a log.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratings_platform.schema.credentials import as_password
from ratings_platform.schema.errors import SettingsError, TransientError
from ratings_platform.schema.textfiles import read_text
from ratings_platform.settings import PREFIX, aws_region, load_settings
from ratings_platform.settings.values import is_path

_FILE, _SECRET = f"{PREFIX}WAREHOUSE_PASSWORD_FILE", f"{PREFIX}WAREHOUSE_PASSWORD_SECRET"
# Where RDS keeps the password in the secrets that it makes.
_USUAL_KEY = "password"

_CREDENTIALS = "Give valid AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role."
_PERMISSION = "Allow secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key."
_ANSWERS = {
    "ResourceNotFoundException": ("there is no such secret", "Correct the name or ARN, or the region (AWS_REGION)."),
    "InvalidRequestException": ("the secret is about to be deleted", "Restore it, or name another one."),
    # The number stands for an answer without a code, as of a proxy.
    **dict.fromkeys(("AccessDeniedException", "403"), ("access to the secret is denied", _PERMISSION)),
    "DecryptionFailure": ("the secret cannot be decrypted", _PERMISSION),
    **dict.fromkeys(
        (
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "UnrecognizedClientException",
        ),
        ("the AWS credentials are not accepted", _CREDENTIALS),
    ),
}


def warehouse_password() -> str:
    """The password of a MySQL warehouse; asked for at each connecting, kept nowhere. Empty where none is set."""
    settings = load_settings()
    if settings.warehouse_password is not None:
        return settings.warehouse_password.get_secret_value()
    if settings.warehouse_password_file is not None:
        return _in_file(settings.warehouse_password_file)
    if settings.warehouse_password_secret is not None:
        name, _, key = settings.warehouse_password_secret.partition("#")
        return _in_secret(_secret(name), key)
    return ""


def _in_file(file: Path) -> str:
    # Who took the setting for the password itself shall not find it in a log.
    place = str(file) if is_path(str(file)) else None
    try:
        return as_password(read_text(file))
    except SettingsError as error:
        raise SettingsError(f"the file that {_FILE} names {error.problem}", file=place, remedy=error.remedy) from None
    except ValueError as error:
        raise SettingsError(
            f"the file that {_FILE} names is to hold nothing but the password: {error}",
            file=place,
            remedy="Save it with the password alone, on one line.",
        ) from None


def _in_secret(text: str, key: str) -> str:
    """The value of a key where the text is a JSON object, else the text itself."""
    found = _parsed(text)
    password = found.get(key or _USUAL_KEY) if isinstance(found, dict) else None if key else text
    if not isinstance(password, str):
        named = "that is named behind #" if key else repr(_USUAL_KEY)
        raise _wrong(
            f"the secret is not a JSON object with a text under the key {named}",
            f"Name the right key: {_SECRET}=NAME#KEY",
        )
    try:
        return as_password(password)
    except ValueError as error:
        raise _wrong(f"the secret is no password: {error}", "Store the password alone, on one line.") from None


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _secret(name: str) -> str:
    """The text of a secret of AWS Secrets Manager."""
    import dagster as dg
    from dagster_aws.secretsmanager import SecretsManagerResource

    warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*SecretsManagerResource.*")
    # At its finest, this one logs whole answers, secrets included.
    logging.getLogger("botocore.parsers").setLevel(logging.INFO)
    with _as_platform_errors():
        # Without a bundle named here, AWS_CA_BUNDLE holds; one try, for whoever asks tries again.
        manager = SecretsManagerResource(region_name=aws_region(), verify=None, max_attempts=1)
        answer = manager.get_client().get_secret_value(SecretId=name)
    if "SecretString" not in answer:
        raise _wrong("the secret holds bytes instead of a text", "Store the password as a text.")
    return str(answer["SecretString"])


@contextmanager
def _as_platform_errors() -> Iterator[None]:
    """Turn AWS's errors into a SettingsError with a remedy or a TransientError."""
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        raise _refusal(error.response) from error
    except aws.SSLError as error:
        raise _wrong(_line(error), "Name the authorities to trust: AWS_CA_BUNDLE.") from error
    except aws.HTTPClientError as error:
        # Its words may quote a header, and with it what was in there: tokens too.
        cause = type(error.kwargs.get("error", error))
        if cause in (ValueError, UnicodeEncodeError):
            raise _wrong(f"the request could not be made ({cause.__name__})", _CREDENTIALS) from None
        raise TransientError(f"AWS Secrets Manager does not answer ({cause.__name__})") from None
    except aws.ConnectionError as error:
        raise TransientError(f"AWS Secrets Manager does not answer: {_line(error)}") from error
    except (aws.CredentialRetrievalError, aws.NoCredentialsError, aws.PartialCredentialsError) as error:
        raise _wrong(_line(error), _CREDENTIALS) from error
    except (aws.BotoCoreError, ValueError) as error:
        raise _wrong(_line(error), "Check AWS_REGION, AWS_ENDPOINT_URL and AWS_PROFILE.") from error


def _refusal(answer: dict[str, Any]) -> Exception:
    code, status = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
    if status >= 500 or status == 429 or "Throttling" in code:
        return TransientError(f"AWS Secrets Manager cannot answer now ({code})")
    problem, remedy = _ANSWERS.get(code, ("the secret cannot be read", "Look the code up in AWS's reference."))
    return _wrong(f"{problem} ({code})", remedy)


def _wrong(problem: str, remedy: str) -> SettingsError:
    return SettingsError(f"AWS Secrets Manager: {problem}", file=_SECRET, remedy=remedy)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
