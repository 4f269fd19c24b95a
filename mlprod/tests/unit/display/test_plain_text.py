import json
import logging

import pytest

from mlprod.display.plain_text import cell, display, display_json, text_violation
from mlprod.serving.logs import JsonFormatter

# Characters that a terminal or a page interprets, and their escapes.
CONTROL_TEXTS = {
    "\x1b[2J": "\\x1b[2J",  # clears the screen
    "\x1b]8;;http://evil.test\x07": "\\x1b]8;;http://evil.test\\x07",  # a link under other words
    "\x9b31m": "\\x9b31m",  # the same in one character
    "\r": "\\r",
    "\n": "\\n",
    "\x7f": "\\x7f",
    "\u202e": "\\u202e",  # turns what follows
    "\u2066": "\\u2066",
    "\u200b": "\\u200b",
    "\u2028": "\\u2028",
    "\ud800": "\\ud800",  # cannot even be printed
    "\U000e0041": "\\U000e0041",
}


@pytest.mark.parametrize(("hidden", "shown"), CONTROL_TEXTS.items())
def test_what_a_terminal_acts_on_is_shown_as_an_escape(hidden: str, shown: str) -> None:
    assert display(f"a{hidden}b") == f"a{shown}b"


@pytest.mark.parametrize(
    "text", ["", "déjà vu", "नमस्ते", "می\u200cخواهم", "\u200fليلى", "👩\u200d💻", "a\u00a0b", "\\n"]
)
def test_text_of_any_language_does_not_change(text: str) -> None:
    assert display(text) == text
    assert text == "" or text_violation(text) == ""


def test_a_message_can_keep_its_line_breaks() -> None:
    assert display("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("hidden", CONTROL_TEXTS)
def test_json_has_the_same_value_and_no_control_characters(hidden: str) -> None:
    written = display_json({"é": f"a{hidden}b"})
    assert json.loads(written) == {"é": f"a{hidden}b"}
    assert written == display(written, keep="\n")
    assert "é" in written


@pytest.mark.parametrize("hidden", CONTROL_TEXTS)
def test_a_reason_with_a_control_character_is_refused_with_its_position(hidden: str) -> None:
    assert text_violation(f"a{hidden}b").startswith(f"character 2 is {display(hidden[0])}; ")


@pytest.mark.parametrize(
    ("text", "errors"), [(" ", "it is empty"), ("x" * 501, "it has 501 characters; at most 500")]
)
def test_an_empty_or_too_long_reason_is_refused(text: str, errors: str) -> None:
    assert text_violation(text).startswith(errors)
    assert text_violation("x" * 500 + "\n") == ""


@pytest.mark.parametrize("hidden", CONTROL_TEXTS)
def test_table_cells_and_log_lines_show_an_escape_too(hidden: str) -> None:
    record = logging.makeLogRecord({"msg": f"a{hidden}", "facts": {"detail": f"b{hidden}"}})
    for line in (
        cell(f"a{hidden}b"),
        JsonFormatter(plain=True).format(record),
        JsonFormatter(plain=False).format(record),
    ):
        assert line == display(line)
