import json
import re
from dataclasses import replace

import ibis
import numpy as np
import pytest
from conftest import Trained
from seams import PARCELS, Parcel, binary, parcels, regression

from mlprod.bundle.manifest import Data
from mlprod.contract.schema import ContractSchema, Task
from mlprod.governance.gates import Gate, GateVerdict
from mlprod.training.dataset import Dataset, collect
from mlprod.training.evaluate import Evaluation, evaluate
from mlprod.training.model_card import render_card
from mlprod.training.model_card_text import ModelCardText, missing_entries
from mlprod.training.sources import load_table
from mlprod.training.split import Split

NOTHING = ModelCardText("", "", (), (), (), "TODO", "")
EVERYTHING = ModelCardText(
    statement="Parcels come late and nobody calls.",
    decision="The dispatcher, before the van leaves",
    out_of_scope=("couriers' pay", "parcels abroad"),
    risks=(("a customer is called in vain", "at most one call a day"),),
    authors=("Ada <ada@example.org>", "Max <max@example.org>"),
    contact="Ada <ada@example.org>",
    tier="B",
)
ROWS = collect(ibis.memtable(parcels(600)), PARCELS)
DATA = Data(since="2026-01-01", until="2026-02-01", rows=600, units=300)
PARTS = Split(np.arange(400), np.arange(80), np.arange(120))
GATE = Gate(id="worth-more", metric="value", op=">", threshold=0, why="worth it")
HUGGING_FACE = [
    "Model Details",
    "Uses",
    "Bias, Risks, and Limitations",
    "How to Get Started with the Model",
    "Training Details",
    "Evaluation",
    "Model Card Authors",
    "Model Card Contact",
]


def judged(
    rows: Dataset = ROWS, terms: ContractSchema = PARCELS, task: Task = "binary", worth: float = 1.0
) -> Evaluation:
    return evaluate(terms, task, rows, rows.y * 0.5, rows.y + worth)


def written(
    purpose: ModelCardText = EVERYTHING,
    kind: str = "model",
    task: Task = "binary",
    terms: ContractSchema = PARCELS,
    evaluation: Evaluation | None = None,
    baseline: Evaluation | None = None,
) -> str:
    evaluation, baseline = evaluation or judged(), baseline or judged(worth=0.25)
    verdict = GateVerdict(GATE, True, "value = 1, must be > 0: 1 to spare")
    return render_card(
        kind, task, terms, purpose, DATA, PARTS, 0.3, evaluation, baseline, [verdict]
    )


def section(text: str, heading: str) -> str:
    """Return the text under a heading, until the next heading of the same level or above."""
    same_or_above = "|".join("#" * level for level in range(1, heading.index(" ") + 1))
    return re.split(rf"\n(?:{same_or_above}) ", text.split(f"\n{heading}\n", 1)[1])[0]


def test_headings_are_those_of_hugging_face() -> None:
    assert re.findall(r"^## (.*)$", written(), re.MULTILINE) == HUGGING_FACE
    assert re.findall(r"^### (.*)$", section(written(), "## Uses"), re.MULTILINE) == [
        "Direct Use",
        "Out-of-Scope Use",
    ]


def test_text_of_people_is_under_its_heading() -> None:
    text = written()
    assert EVERYTHING.statement in section(text, "## Model Details")
    assert "Accountable for its quality: Ada <ada@example.org>." in section(
        text, "## Model Details"
    )
    assert "Risk tier: B" in section(text, "## Model Details")
    assert EVERYTHING.decision in section(text, "### Direct Use")
    assert "- couriers' pay\n- parcels abroad" in section(text, "### Out-of-Scope Use")
    assert "| a customer is called in vain | at most one call a day |" in text
    assert "- Ada <ada@example.org>\n- Max <max@example.org>" in section(
        text, "## Model Card Authors"
    )
    assert section(text, "## Model Card Contact").strip() == "Ada <ada@example.org>"
    assert "not filled in yet" not in text


def test_empty_entry_is_shown_with_file_and_key() -> None:
    text = written(NOTHING)
    for heading, message in {
        "## Model Details": "not filled in yet: problem.yaml, problem.statement",
        "### Direct Use": "not filled in yet: problem.yaml, decision.who",
        "### Out-of-Scope Use": "not filled in yet: problem.yaml, decision.out_of_scope",
        "## Bias, Risks, and Limitations": "not filled in yet: risk.yaml, risks",
        "## Model Card Authors": "not filled in yet: ownership.yaml, people",
        "## Model Card Contact": "not filled in yet: ownership.yaml, people",
    }.items():
        assert message in section(text, heading)


def test_missing_entries_are_listed_with_file_and_key() -> None:
    assert missing_entries(NOTHING) == [
        "governance/problem.yaml problem.statement",
        "governance/problem.yaml decision.who",
        "governance/problem.yaml decision.out_of_scope",
        "governance/risk.yaml risks",
        "governance/ownership.yaml people",
    ]
    assert missing_entries(replace(EVERYTHING, decision="")) == [
        "governance/problem.yaml decision.who"
    ]
    assert missing_entries(EVERYTHING) == []


def test_card_has_the_facts_of_the_training() -> None:
    text = written()
    assert text.startswith("# Model card: Parcel\n")
    assert "- One row: A parcel that may come late." in text
    assert "A model that scores `late` (binary)" in text
    assert "Threshold 0.3" in text
    assert "600 labeled rows of 300 units, from 2026-01-01 until 2026-02-01." in text
    assert "It learned from 400 rows. The threshold comes from 80 rows" in text
    assert "the figures from 120 test rows." in text
    assert "| `weight` | Weight |" in section(text, "### Inputs")
    assert "- passed worth-more: value = 1, must be &gt; 0: 1 to spare" in section(
        text, "### Gates"
    )
    for name in ("average_precision", "brier", "calibration_error", "roc_auc", "value"):
        assert re.search(rf"^\| {name} \| \S+ \(\S+ to \S+\) \| \S+ \(", text, re.MULTILINE)


def test_slices_are_compared_with_the_baseline_worst_first() -> None:
    bike = ROWS.columns["courier"] == "bike"
    result = evaluate(PARCELS, "binary", ROWS, ROWS.y, np.where(bike, -3.0, 2.0))
    rows = section(written(evaluation=result, baseline=judged(worth=0)), "### Slices").split(
        "\n| "
    )[2:]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert "courier=bike" in names[1]
    assert rows[1].strip(" |").endswith(f"{bike.sum():,}")


def test_card_of_a_regression_has_no_threshold_and_other_metrics() -> None:
    rows = collect(load_table(regression.load), regression.terms)
    result = judged(rows, regression.terms, "regression")
    text = written(task="regression", terms=regression.terms, evaluation=result, baseline=result)
    assert "Threshold" not in text
    assert "| mae |" in text
    assert "| no slice has enough rows | | | |" in text
    assert "it is unknown which groups are worse off" in text
    assert "it is unknown how the model ages" in text


def test_card_of_a_baseline_has_no_training_rows() -> None:
    assert "A baseline does not learn. The threshold comes from 80 rows" in written(kind="baseline")


def test_example_request_conforms_to_the_contract() -> None:
    (line,) = re.findall(
        r"^\{.*\}$", section(written(), "## How to Get Started with the Model"), re.MULTILINE
    )
    (row,) = json.loads(line)["rows"]
    Parcel.model_validate(row)


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "a | b", "two\n\n## Evaluation\nlines", "`code` *loud*", "[x](y)"]
)
def test_text_of_people_and_of_the_data_does_not_change_the_structure(text: str) -> None:
    people = replace(
        EVERYTHING, statement=text, decision=text, out_of_scope=(text,), risks=((text, text),)
    )
    couriers = np.where(ROWS.columns["courier"] == "bike", text, "van").astype(object)
    rows = replace(ROWS, columns={**ROWS.columns, "courier": couriers})
    card = written(people, evaluation=judged(rows), baseline=judged(rows))
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == HUGGING_FACE
    assert "<b>" not in card
    for heading, columns in (("## Bias, Risks, and Limitations", 2), ("### Slices", 4)):
        lines = [line for line in section(card, heading).splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", line)) - 1 for line in lines} == {columns}


def test_card_of_a_bundle_has_the_contact_of_the_project(trained: Trained) -> None:
    text = (trained.bundle / "card.md").read_text(encoding="utf-8")
    assert section(text, "## Model Card Contact").strip() == "Your Name <you@example.org>"
    assert binary.terms.label in text
    assert ".svg" not in text
