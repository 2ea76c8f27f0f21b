"""Passwords and tokens: what is taken away from them, and what they cannot be."""

from __future__ import annotations

import pytest

from ratings_platform.schema.credentials import as_password, as_token

pytestmark = pytest.mark.unit

WRONG_TOKENS = {
    "empty": (" \r\n", "it is empty"),
    "two lines": ("s3cret\ns3cret", "it has more than one line"),
    "line of Windows inside": ("s3cret\rs3cret", "it has more than one line"),
    "blank": ("s3cret s3cret", "it has a blank inside"),
    "quoted": ('"s3cret"', "it stands in quotation marks"),
    "typographic quotes": ("“s3cret”", "it stands in quotation marks"),
    "German quotes": ("„s3cret“", "it stands in quotation marks"),
    "long dash": ("s3cret—s3cret", "its character 7 is none that a token has"),
    "hidden": ("s3cret\u200b-s3cret", "its character 7 is none that a token has"),
    "control": ("s3cret\x00", "its character 7 is none that a token has"),
    "bytes": ("s3cret\udcff", "its character 7 is none that a token has"),
}


@pytest.mark.parametrize("around", ["{}", " {} ", "{}\r", "{}\r\n", "\ufeff{}\n", "\t{}\u00a0"])
def test_a_token_is_taken_without_what_is_around_it(around: str) -> None:
    assert as_token(around.format("KGAT_x/y+z=")) == "KGAT_x/y+z="


@pytest.mark.parametrize(("text", "told"), WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_what_is_no_token_is_told_and_not_shown(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        as_token(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "{}\r", "\ufeff{}\r\n"])
@pytest.mark.parametrize("password", ["hunter2", " blanks count ", "p'\"w%#ö 🎬", "“s3cret”"])
def test_a_password_is_taken_without_line_ends(around: str, password: str) -> None:
    assert as_password(around.format(password)) == password


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3cret\ns3cret", "more than one line"),
        ("s3cret\r\n\r\ns3cret", "more than one"),
        ("s3cret\udcff", "not UTF-8"),
    ],
)
def test_what_is_no_password_is_told_and_not_shown(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        as_password(text)
    assert "s3cret" not in str(caught.value)
