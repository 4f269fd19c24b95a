import json
import logging

import pytest

from mlprod.display.plain_text import cell, display, display_json, violation
from mlprod.serving.logs import JsonFormatter

ACTED_ON = {  # what a terminal or a page acts on, and how it is shown
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


@pytest.mark.parametrize(("hidden", "shown"), ACTED_ON.items())
def test_what_a_terminal_acts_on_is_shown_as_an_escape(hidden: str, shown: str) -> None:
    assert display(f"a{hidden}b") == f"a{shown}b"


@pytest.mark.parametrize(
    "text", ["", "déjà vu", "नमस्ते", "می\u200cخواهم", "\u200fليلى", "👩\u200d💻", "a\u00a0b", "\\n"]
)
def test_words_of_any_language_stay_as_they_are(text: str) -> None:
    assert display(text) == text
    assert text == "" or violation(text) == ""


def test_a_message_may_keep_its_lines() -> None:
    assert display("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("hidden", ACTED_ON)
def test_json_is_the_same_value_and_holds_nothing_that_is_acted_on(hidden: str) -> None:
    written = display_json({"é": f"a{hidden}b"})
    assert json.loads(written) == {"é": f"a{hidden}b"}
    assert written == display(written, keep="\n")
    assert "é" in written


@pytest.mark.parametrize("hidden", ACTED_ON)
def test_a_reason_that_holds_it_is_refused_with_its_place(hidden: str) -> None:
    assert violation(f"a{hidden}b").startswith(f"character 2 is {display(hidden[0])}; ")


@pytest.mark.parametrize(
    ("text", "errors"), [(" ", "it is empty"), ("x" * 501, "it has 501 characters; at most 500")]
)
def test_a_reason_has_a_length(text: str, errors: str) -> None:
    assert violation(text).startswith(errors)
    assert violation("x" * 500 + "\n") == ""


@pytest.mark.parametrize("hidden", ACTED_ON)
def test_a_cell_of_a_page_and_a_line_of_the_log_show_it_too(hidden: str) -> None:
    record = logging.makeLogRecord({"msg": f"a{hidden}", "facts": {"detail": f"b{hidden}"}})
    for line in (
        cell(f"a{hidden}b"),
        JsonFormatter(plain=True).format(record),
        JsonFormatter(plain=False).format(record),
    ):
        assert line == display(line)
