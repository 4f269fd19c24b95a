"""Secrets stay out of what is printed: passwords in addresses, and values of variables that are
named as secrets.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any, TextIO
from urllib.parse import quote, unquote

MASK = "***"
MIN_LENGTH = (
    4  # of a secret that is masked wherever it stands; a shorter one stands in every other word
)
# within a name, as in PGPASSWORD
WORDS = r"\w*(?:passw(?:or)?d|passphrase|secret|token|apikey|credential)s?"
PARTS = (
    "(?:[a-z0-9]+_)*(?:pass|pwd|key|salt|sig)"  # a part of a name by itself, as in ML_SERVICE_KEY
)
SECRET_NAME = re.compile(rf"(?:{WORDS}|{PARTS})(?:_(?!file|path|dir)\w+)?", re.IGNORECASE)
NO_SECRETS = ("PWD", "OLDPWD", "true", "false", "none", "null")  # names of variables, and values
USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*)://(\S*)@", re.IGNORECASE)
PARAMETER = re.compile(rf"(?<![\w-])(?:{WORDS}|{PARTS})\s*=\s*([^&;\s]+)", re.IGNORECASE)
CUTS = re.compile(r"[/@#?:%&=+]")  # where a library that misreads an address cuts it
PASSWORD = re.compile(
    r"""(://[^\s:/@"'<>]*:)[^\s"'<>]*@"""
)  # to the last @: a password may hold one
TOKEN = re.compile(
    r"""(https?://)[^\s:/@"'<>]+@""", re.IGNORECASE
)  # for a database the word before @ is a user
ASSIGNED = re.compile(rf"((?<!\w)(?:{WORDS})\s*=\s*['\"]?)[^\s&;,'\")]+", re.IGNORECASE)


def masked(text: str) -> str:
    """The text without the secrets of the environment and of the command line, and without
    passwords in addresses.
    """
    hidden = bytearray(len(text))  # 1 for each character of a secret; the forms of one overlap
    for secret in set(_secrets()):
        start = text.find(secret)
        while start >= 0:
            hidden[start : start + len(secret)] = b"\1" * len(secret)
            start = text.find(secret, start + 1)
    if any(hidden):
        runs = groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
        text = "".join(
            MASK if secret else "".join(sign for sign, _ in signs) for secret, signs in runs
        )
    text = TOKEN.sub(rf"\g<1>{MASK}@", PASSWORD.sub(rf"\g<1>{MASK}@", text))
    return ASSIGNED.sub(rf"\g<1>{MASK}", text)


class Masked:
    """A stream that prints no secret.

    As standard error it also gets warnings and tracebacks of other libraries.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(masked(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _secrets() -> Iterator[str]:
    """Each secret in the forms in which messages show it."""
    for name, value in os.environ.items():
        if SECRET_NAME.fullmatch(name) and name not in NO_SECRETS:
            yield from _forms(value)
            yield from (
                line for line in value.splitlines() if len(line) > MIN_LENGTH
            )  # a key of several lines
        yield from _inside(value)
    for argument in sys.argv[1:]:
        yield from _inside(argument)


def _inside(value: str) -> Iterator[str]:
    """Secrets that are a part of the value: of an address, or of parameters such as password=..."""
    secrets = PARAMETER.findall(value)
    for scheme, user_info in USER_INFO.findall(value):
        user, colon, password = user_info.partition(":")
        if colon or (scheme.lower() in ("http", "https") and "/" not in user):
            secrets.append(password if colon else user)
    for secret in secrets:
        for part in (secret, *CUTS.split(secret)):
            yield from _forms(part)


def _forms(secret: str) -> Iterator[str]:
    escaped = repr(secret)[1:-1], json.dumps(secret)[1:-1]
    forms = {secret, unquote(secret), quote(secret), quote(secret, safe=""), *escaped}
    yield from (
        form for form in forms if len(form) >= MIN_LENGTH and form.lower() not in NO_SECRETS
    )
