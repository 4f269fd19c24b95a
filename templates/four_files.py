"""The code of a project of the first version, with the names and the imports of the library."""

import io
import re
import tokenize
from pathlib import Path

# The files in the folder domain/ of the first version.
FILES = ("contract.py", "data.py", "model.py", "decision.py")
CONSTANTS = {
    "LET_THROUGH": "EXPLORATION",
    "MADE_UP": "SYNTHETIC",
    "PERSONAL": "PII",
    "SPACE": "SEARCH_SPACE",
    "TIME": "EVENT_TIME",
    "UNIT": "GROUP",
}
# Imports inside the package; a second dot was needed in domain/.
IMPORTS = {
    r"from \.\.contract\.terms import": "from mlprod import",
    r"from \.\.pipeline\.tables import rows_of\b": "from mlprod import rows_of",
    r"from \.\.pipeline\.rows import rows_of\b": "from mlprod import rows_of",
}


def old_package(baked: Path) -> str:
    """Return the name of the package of a baked project."""
    (package,) = (path.parent.name for path in (baked / "src").glob("*/__main__.py"))
    return package


def upgrade_code(code: str, package: str) -> str:
    """Return a module's code with the current constants and imports.

    A constant gets its new name if the module assigns it at its top level, imports it, or names it
    as an attribute of one of the four files. Code that is not Python is returned as it is.
    """
    for old, new in IMPORTS.items():
        code = re.sub(old, new, code)
    code = re.sub(rf"\b{package}\.domain\b", package, code)
    code = re.sub(rf"\bfrom {package} import domain\b", f"import {package} as domain", code)
    used = {
        name
        for name in CONSTANTS
        if re.search(rf"^{name}\b *[:=]|^from \S+ import [^\n]*\b{name}\b", code, re.MULTILINE)
    }
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (SyntaxError, tokenize.TokenError):
        return code
    lines = code.splitlines(keepends=True)
    # from the last to the first, so that the earlier positions stay valid
    for place in reversed(range(len(tokens))):
        name = tokens[place].string
        owner = tokens[place - 2].string if place > 1 and tokens[place - 1].string == "." else ""
        if tokens[place].type == tokenize.NAME and (
            f"{owner}.py" in FILES and name in CONSTANTS if owner else name in used
        ):
            (row, start), (_, end) = tokens[place].start, tokens[place].end
            line = lines[row - 1]
            lines[row - 1] = line[:start] + CONSTANTS[name] + line[end:]
    return "".join(lines)
