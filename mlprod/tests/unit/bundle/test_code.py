"""The code that a bundle carries: which modules, what they may do, and how they are loaded."""

import traceback

import pytest

from mlprod.bundle.code import BundledCode
from mlprod.bundle.code_rules import code_violations, collect_sources

DECISION = "from .money import FEE\n\ndef decide(score, threshold):\n    return FEE * score\n"
PACKAGE = {
    "decision": DECISION,
    "money": "from math import pi\nfrom . import words\nFEE = 2.0\n",
    "words": "NAMES = ('a',)\n",
    "data": "import ibis\n",
}


def test_a_bundle_carries_what_its_code_imports_from_the_project() -> None:
    assert list(collect_sources(PACKAGE.get, ["decision"])) == ["decision", "money", "words"]


def test_modules_that_import_each_other_are_collected_once() -> None:
    both = {"decision": "from . import words\n", "words": "from . import decision\n"}
    assert collect_sources(both.get, ["decision"]) == both


def test_code_of_two_bundles_answers_side_by_side() -> None:
    first = BundledCode("shop", collect_sources(PACKAGE.get, ["decision"]))
    second = BundledCode("shop", dict(first.sources) | {"money": "FEE = 3.0\n"})
    old, new = (code.module("decision").decide for code in (first, second))
    assert (old(1.0, 0.5), new(1.0, 0.5)) == (2.0, 3.0)
    assert first.module("decision").decide is old


def test_a_class_is_found_under_its_name_in_the_project() -> None:
    code = BundledCode("shop", {"model": "class Mean: pass\n"})
    assert code.private_name("shop.model") == f"{code.private_package}.model"
    assert code.private_name("shop.data") == "shop.data"
    assert code.private_name("numpy.random") == "numpy.random"


def test_a_failure_shows_the_line_of_the_bundled_file() -> None:
    code = BundledCode("shop", {"decision": "def decide(score, threshold):\n    return 1 / 0\n"})
    with pytest.raises(ZeroDivisionError) as raised:
        code.module("decision").decide(1.0, 0.5)
    shown = "".join(traceback.format_exception(raised.value))
    assert "decision.py" in shown
    assert "return 1 / 0" in shown


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import requests\n", "decision.py:1 imports requests"),
        ("x = 1\nfrom os import path\n", "decision.py:2 imports os"),
        ("def f():\n    import subprocess\n", "decision.py:2 imports subprocess"),
        ("from mlprod.serving.api import create_api\n", "decision.py:1 imports mlprod.serving.api"),
        ("from shop.contract import Row\n", "works: from .contract import"),
        ("import shop\n", "imports shop by its name"),
        ("from .prices import FEE\n", "imports .prices, which is not a module beside it"),
        ("from ..other import FEE\n", "imports ..other, which is not a module beside it"),
        ("RATES = open('rates.csv').read()\n", "decision.py:1 calls open()"),
        ("def f():\n    return eval('1')\n", "decision.py:2 calls eval()"),
    ],
)
def test_code_that_depends_on_more_than_the_bundle_is_named(source: str, part: str) -> None:
    (violation,) = code_violations({"decision": source}, "shop")
    assert part in violation


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations\nfrom collections.abc import Mapping\n",
        "import numpy as np\nfrom numpy.typing import NDArray\nfrom mlprod import Fields\n",
        "from datetime import date\nimport re, math\n",
        "def decide(score, threshold):\n    return open_case(score)\n",
    ],
)
def test_code_of_the_field_is_allowed(source: str) -> None:
    assert list(code_violations({"decision": source}, "shop")) == []


def test_the_runtime_python_may_import_any_installed_package() -> None:
    source = {"model": "import sklearn\nfrom shop.data import x\n"}
    (violation,) = code_violations(source, "shop", any_import=True)
    assert "imports shop by its name" in violation
