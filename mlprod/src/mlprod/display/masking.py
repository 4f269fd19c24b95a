"""Mask secrets in printed text: passwords in addresses, and values of secret variables."""

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any, TextIO
from urllib.parse import quote, unquote

MASK = "***"
# Characters of a secret that is masked everywhere. A shorter one is a part of many words.
MIN_LENGTH = 4
# Within the name of a variable, as in PGPASSWORD.
SENSITIVE_WORDS = r"\w*(?:passw(?:or)?d|passphrase|secret|token|apikey|credential)s?"
# A separate part of a name, as in ML_SERVICE_KEY.
SENSITIVE_PARTS = "(?:[a-z0-9]+_)*(?:pass|pwd|key|salt|sig)"
SECRET_NAME = re.compile(
    rf"(?:{SENSITIVE_WORDS}|{SENSITIVE_PARTS})(?:_(?!file|path|dir)\w+)?", re.IGNORECASE
)
# Names of variables, and values.
NO_SECRETS = ("PWD", "OLDPWD", "true", "false", "none", "null")
USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*)://(\S*)@", re.IGNORECASE)
PARAMETER = re.compile(
    rf"(?<![\w-])(?:{SENSITIVE_WORDS}|{SENSITIVE_PARTS})\s*=\s*([^&;\s]+)", re.IGNORECASE
)
# Characters at which a library that misreads an address splits it.
SEPARATORS = re.compile(r"[/@#?:%&=+]")
# Up to the last @, since a password may hold one.
PASSWORD = re.compile(r"""(://[^\s:/@"'<>]*:)[^\s"'<>]*@""")
# Only for http: in a database's address the text before @ is a user.
TOKEN = re.compile(r"""(https?://)[^\s:/@"'<>]+@""", re.IGNORECASE)
ASSIGNED = re.compile(rf"((?<!\w)(?:{SENSITIVE_WORDS})\s*=\s*['\"]?)[^\s&;,'\")]+", re.IGNORECASE)


def masked(text: str) -> str:
    """Return the text with its secrets masked.

    Secrets are those of the environment and the command line, and passwords in addresses.
    """
    # 1 for each character of a secret, since the forms of a secret can overlap.
    hidden = bytearray(len(text))
    for secret in set(_secrets()):
        start = text.find(secret)
        while start >= 0:
            hidden[start : start + len(secret)] = b"\1" * len(secret)
            start = text.find(secret, start + 1)
    if any(hidden):
        runs = groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
        text = "".join(
            MASK if secret else "".join(character for character, _ in characters)
            for secret, characters in runs
        )
    text = TOKEN.sub(rf"\g<1>{MASK}@", PASSWORD.sub(rf"\g<1>{MASK}@", text))
    return ASSIGNED.sub(rf"\g<1>{MASK}", text)


class Masked:
    """A stream that masks secrets before it writes.

    As standard error it also receives warnings and tracebacks of other libraries.
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
    """Yield each secret in the forms in which messages show it."""
    for name, value in os.environ.items():
        if SECRET_NAME.fullmatch(name) and name not in NO_SECRETS:
            yield from _forms(value)
            # A key can have several lines.
            yield from (line for line in value.splitlines() if len(line) > MIN_LENGTH)
        yield from _inside(value)
    for argument in sys.argv[1:]:
        yield from _inside(argument)


def _inside(value: str) -> Iterator[str]:
    """Yield secrets that are a part of the value: in an address or in parameters (password=...)."""
    secrets = PARAMETER.findall(value)
    for scheme, user_info in USER_INFO.findall(value):
        user, colon, password = user_info.partition(":")
        if colon or (scheme.lower() in ("http", "https") and "/" not in user):
            secrets.append(password if colon else user)
    for secret in secrets:
        for part in (secret, *SEPARATORS.split(secret)):
            yield from _forms(part)


def _forms(secret: str) -> Iterator[str]:
    escaped = repr(secret)[1:-1], json.dumps(secret)[1:-1]
    forms = {secret, unquote(secret), quote(secret), quote(secret, safe=""), *escaped}
    yield from (
        form for form in forms if len(form) >= MIN_LENGTH and form.lower() not in NO_SECRETS
    )
