"""HTML pages without external files, in one style. Standard library only."""

from collections.abc import Iterable
from html import escape

# Readers with a color vision deficiency can distinguish these two (Okabe and Ito 2008).
BLUE, ORANGE = "#0072b2", "#d55e00"
PAGE_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem }
.small { color: #555; font-size: .9rem } .n { text-align: right }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; font-weight: normal } th { color: #555 }
svg { display: block; max-width: 100%; font: 12px system-ui, sans-serif }"""


def html_page(title: str, parts: Iterable[str], style: str = "") -> str:
    """Return a page; `parts` are markup below the title, which is text."""
    shown = html_text(title)
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{shown}</title>\n'
        f"<style>\n{PAGE_STYLE}\n{style}\n</style>\n</head>\n<body>\n<main>\n<h1>{shown}</h1>"
    )
    return "\n".join([head, *parts, "</main>\n</body>\n</html>\n"])


def html_text(message: str) -> str:
    """Return text that no browser reads as markup."""
    return escape("".join(sign if sign.isprintable() else "\ufffd" for sign in message))
