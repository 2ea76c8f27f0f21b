"""The warehouse's password from each place where it may stand, and what is told when there is none to be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ratings_platform.orchestration.secrets import warehouse_password
from ratings_platform.schema.errors import SettingsError, TransientError
from ratings_platform.settings import load_settings
from ratings_platform_tests.aws_server import AWSServer

pytestmark = pytest.mark.integration

# However it is quoted and escaped, the end of it stays readable.
PASSWORD = "p'\"w%#ö 🎬 s3same"  # noqa: S105
READABLE = "s3same"
SETTING = "RATINGS_WAREHOUSE_PASSWORD_SECRET"


@pytest.fixture(scope="module")
def secrets(aws_server: AWSServer) -> dict[str, str]:
    """Secrets by name, with their ARNs."""
    held = {
        "plain/text": PASSWORD,
        "plain/line": f"\ufeff{PASSWORD}\r\n",
        "plain/lines": f"{PASSWORD}\n{PASSWORD}",
        "rds!db-1": json.dumps({"username": "ratings", "password": PASSWORD}),
        "json/keys": json.dumps({"password": "another", "my key": PASSWORD}),
        "json/number": "12345",
        "json/none": json.dumps({"username": "ratings", "password": None}),
        "a/gone/one": PASSWORD,
    }
    manager = aws_server.client("secretsmanager")
    arns = {name: manager.create_secret(Name=name, SecretString=text)["ARN"] for name, text in held.items()}
    arns["some/bytes"] = manager.create_secret(Name="some/bytes", SecretBinary=PASSWORD.encode())["ARN"]
    manager.delete_secret(SecretId="a/gone/one")
    return arns


def complaint(kind: type[Exception] = SettingsError) -> str:
    """The one line in which asking for the password ends."""
    with pytest.raises(kind) as caught:
        warehouse_password()
    told = str(caught.value)
    assert "\n" not in told
    assert READABLE not in told
    return told


def test_it_stands_in_the_environment_or_a_file(tmp_path: Path) -> None:
    assert warehouse_password() == ""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    os.environ["RATINGS_WAREHOUSE_PASSWORD_FILE"] = str(file)
    assert warehouse_password() == PASSWORD
    file.unlink()
    assert complaint().startswith(f"{file}: the file that RATINGS_WAREHOUSE_PASSWORD_FILE names cannot be read")
    del os.environ["RATINGS_WAREHOUSE_PASSWORD_FILE"]
    os.environ["RATINGS_WAREHOUSE_PASSWORD"] = PASSWORD
    assert warehouse_password() == PASSWORD
    assert READABLE not in repr(load_settings())


@pytest.mark.parametrize(
    "saved",
    [f"{PASSWORD}\r\n".encode(), PASSWORD.encode("utf-8-sig"), f"{PASSWORD}\r\n".encode("utf-8-sig")],
    ids=["of Windows", "with a mark", "of Windows, with a mark"],
)
def test_a_password_file_may_come_from_any_editor(tmp_path: Path, saved: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(saved)
    os.environ["RATINGS_WAREHOUSE_PASSWORD_FILE"] = str(file)
    assert warehouse_password() == PASSWORD


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        (PASSWORD.encode("utf-16"), "is UTF-16, not UTF-8. Save it as UTF-8."),
        (f"{PASSWORD}\n{PASSWORD}\n".encode(), "is to hold nothing but the password: it has more than one line. Save"),
        (b"", "is to hold nothing but the password: it is empty. Save"),
    ],
    ids=["utf-16", "two lines", "empty"],
)
def test_a_password_file_that_holds_no_password_is_told(tmp_path: Path, saved: bytes, told: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(saved)
    os.environ["RATINGS_WAREHOUSE_PASSWORD_FILE"] = str(file)
    assert complaint().startswith(f"{file}: the file that RATINGS_WAREHOUSE_PASSWORD_FILE names {told}")


def test_a_password_in_place_of_its_file_is_not_shown() -> None:
    os.environ["RATINGS_WAREHOUSE_PASSWORD_FILE"] = READABLE
    assert complaint() == (
        "the file that RATINGS_WAREHOUSE_PASSWORD_FILE names cannot be read (No such file or directory). "
        "Name a text file that you may read."
    )


@pytest.mark.parametrize("secret", ["plain/text", "plain/line", "rds!db-1", "json/keys#my key"])
def test_it_stands_in_a_secret(aws: AWSServer, secrets: dict[str, str], secret: str) -> None:
    name, hash, key = secret.partition("#")
    for known_as in (name, secrets[name]):
        os.environ[SETTING] = f"{known_as}{hash}{key}"
        assert warehouse_password() == PASSWORD


def test_a_secret_that_is_no_object_is_taken_as_it_is(aws: AWSServer, secrets: dict[str, str]) -> None:
    os.environ[SETTING] = "json/number"
    assert warehouse_password() == "12345"


def test_a_changed_secret_is_seen_at_the_next_connecting(aws: AWSServer) -> None:
    manager = aws.client("secretsmanager")
    manager.create_secret(Name="rotated", SecretString="before")
    os.environ[SETTING] = "rotated"
    assert warehouse_password() == "before"
    manager.put_secret_value(SecretId="rotated", SecretString="after")
    assert warehouse_password() == "after"


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("no/such", "there is no such secret (ResourceNotFoundException). Correct the name or ARN, or the region"),
        ("a/gone/one", "the secret is about to be deleted (InvalidRequestException). Restore it"),
        ("some/bytes", "the secret holds bytes instead of a text. Store"),
        ("plain/lines", "the secret is no password: it has more than one line. Store"),
        ("json/none", "the secret is not a JSON object with a text under the key 'password'. Name the right key"),
        ("json/keys#other", "the secret is not a JSON object with a text under the key that is named behind #."),
        ("plain/text#other", "the secret is not a JSON object with a text under the key that is named behind #."),
    ],
)
def test_a_secret_without_a_password_is_told(aws: AWSServer, secrets: dict[str, str], secret: str, told: str) -> None:
    os.environ[SETTING] = secret
    assert complaint().startswith(f"{SETTING}: AWS Secrets Manager: {told}")
    assert secret not in complaint(), "it may be the password itself, put into the wrong setting"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"AWS_REGION": ""}, "You must specify a region. Check AWS_REGION"),
        ({"AWS_REGION": "no region"}, "doesn't match a supported format. Check AWS_REGION"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense. Check AWS_REGION, AWS_ENDPOINT_URL"),
        ({"AWS_PROFILE": "nobody's"}, "The config profile (nobody's) could not be found. Check"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials. Give valid AWS"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY. Give"),
    ],
    ids=["no region", "wrong region", "no endpoint", "no profile", "no credentials", "half of the credentials"],
)
def test_what_aws_needs_is_told(aws: AWSServer, secrets: dict[str, str], change: dict[str, str], told: str) -> None:
    os.environ |= {SETTING: "plain/text"} | change
    assert told in complaint()


def test_the_region_has_two_names(aws: AWSServer, secrets: dict[str, str]) -> None:
    os.environ |= {SETTING: "plain/text", "AWS_DEFAULT_REGION": os.environ.pop("AWS_REGION")}
    assert warehouse_password() == PASSWORD


def test_a_user_without_the_permission_is_told(aws: AWSServer, secrets: dict[str, str]) -> None:
    os.environ[SETTING] = "plain/text"
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = aws.new_user("nobody")
    with aws.checking_permissions():
        assert "access to the secret is denied (403). Allow secretsmanager:GetSecretValue" in complaint()
    assert warehouse_password() == PASSWORD


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """A server that refuses everything, as AWS's reference has it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"__type": code, "Message": "words"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as refusing:
        thread = Thread(target=refusing.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{refusing.server_port}"
        finally:
            refusing.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "AccessDeniedException", "access to the secret is denied (AccessDeniedException). Allow"),
        (400, "DecryptionFailure", "cannot be decrypted (DecryptionFailure). Allow"),
        (400, "UnrecognizedClientException", "the AWS credentials are not accepted (UnrecognizedClientException)"),
        (400, "ExpiredTokenException", "the AWS credentials are not accepted (ExpiredTokenException). Give valid"),
        (400, "SomethingElse", "the secret cannot be read (SomethingElse)."),
        (400, "ThrottlingException", None),
        (500, "InternalServiceError", None),
        (503, "ServiceUnavailable", None),
    ],
)
def test_what_aws_refuses_is_told_in_two_kinds(aws: AWSServer, status: int, code: str, told: str | None) -> None:
    with answering(status, code) as url:
        os.environ |= {SETTING: "plain/text", "AWS_ENDPOINT_URL": url}
        if told:
            assert told in complaint()
        else:
            assert complaint(TransientError) == f"AWS Secrets Manager cannot answer now ({code})"


def test_nobody_there_may_pass(aws: AWSServer) -> None:
    os.environ |= {SETTING: "plain/text", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert complaint(TransientError).startswith("AWS Secrets Manager does not answer: Could not connect")


def test_credentials_that_no_request_can_hold_are_not_quoted(
    aws: AWSServer, secrets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a file of AWS's own, which only its library reads."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id = {READABLE}\n {READABLE}\naws_secret_access_key = {READABLE}\n")
    os.environ |= {SETTING: "plain/text", "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    assert complaint() == (
        f"{SETTING}: AWS Secrets Manager: the request could not be made (ValueError). "
        "Give valid AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role."
    )


def test_it_is_never_logged(aws: AWSServer, secrets: dict[str, str]) -> None:
    """In a process of its own, for what is loaded there has its say too: warnings, logs at their finest, arguments."""
    code = (
        "import logging\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "from ratings_platform.orchestration.secrets import warehouse_password\n"
        "password = warehouse_password()\n"
        "print('asked', len(password))"
    )
    os.environ[SETTING] = "plain/text"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"asked {len(PASSWORD)}\n"
    assert "DEBUG:botocore" in done.stderr
    assert READABLE not in done.stderr


def test_nothing_of_aws_is_loaded_without_need(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ratings_platform.orchestration.secrets import warehouse_password\n"
        "warehouse_password()\n"
        "print({'boto3', 'botocore', 'dagster', 'dagster_aws'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
