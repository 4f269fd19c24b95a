"""The model card, under the headings of Hugging Face's: what it is for, what it was measured on,
who answers for it.
"""

import json

from ..bundle.manifest import Data, Estimate
from ..contract.documentation import document, example
from ..contract.schema import ContractSchema, Task
from ..display.plain_text import cell, display
from ..governance.gates import Verdict
from ..governance.ownership import TODO
from .evaluate import WHOLE, Evaluation
from .model_card_text import ModelCardText, is_said, not_said
from .split import Split


def card(
    kind: str, task: Task, terms: ContractSchema, purpose: ModelCardText, data: Data, parts: Split, threshold: float,
    found: Evaluation, baseline: Evaluation, verdicts: list[Verdict],
) -> str:  # fmt: skip
    """Markdown of the manifest's facts; no date but those of the data, so that equal models have
    equal cards.
    """
    sections = {
        "Model Details": _details(kind, task, terms, purpose, threshold),
        "Uses": _uses(purpose),
        "Bias, Risks, and Limitations": _limitations(terms, purpose),
        "How to Get Started with the Model": _start(terms),
        "Training Details": _training(kind, terms, data, parts),
        "Evaluation": _evaluation(found, baseline, verdicts),
        "Model Card Authors": [f"- {display(author)}" for author in purpose.authors]
        or [not_said("authors")],
        "Model Card Contact": [
            display(purpose.contact) if is_said(purpose, "contact") else not_said("contact")
        ],
    }
    title = f"Model card: {cell(purpose.name or terms.row.__name__)}"
    return (
        "\n\n".join(
            [
                f"# {title}",
                *("\n".join([f"## {name}", "", *message]) for name, message in sections.items()),
            ]
        )
        + "\n"
    )


def mark(verdict: Verdict) -> str:
    return {True: "passed", False: "FAILED", None: "skipped"}[verdict.passed]


def _details(
    kind: str, task: Task, terms: ContractSchema, purpose: ModelCardText, threshold: float
) -> list[str]:
    lines = [
        f"A {kind} that scores `{terms.label}` ({task}). "
        f"Accountable for its quality: {display(purpose.contact or TODO)}.",
        "",
        f"- One row: {cell((terms.row.__doc__ or terms.row.__name__).strip().splitlines()[0])}",
        f"- Why it exists: {cell(purpose.statement) or not_said('statement')}",
        f"- Risk tier: {cell(purpose.tier) or not_said('tier')}",
    ]
    if task == "binary":
        lines.append(
            f"- Threshold {threshold:.6g}: what was worth most on rows that nothing was learnt from"
        )
    return lines


def _uses(purpose: ModelCardText) -> list[str]:
    return [
        "### Direct Use",
        "",
        f"Who decides with it: {cell(purpose.decision) or not_said('decision')}",
        "",
        "### Out-of-Scope Use",
        "",
        *([f"- {cell(use)}" for use in purpose.out_of_scope] or [f"- {not_said('out_of_scope')}"]),
        "- Rows that break a rule of the inputs below: the service refuses them.",
    ]


def _limitations(terms: ContractSchema, purpose: ModelCardText) -> list[str]:
    named = {"slice": ", ".join(terms.slices), "personal": ", ".join(terms.personal)}
    return [
        "| harm | mitigation |",
        "| --- | --- |",
        *(
            f"| {cell(harm)} | {cell(mitigation) or 'none yet'} |"
            for harm, mitigation in purpose.risks
        ),
        *([] if purpose.risks else [f"| {not_said('risks')} | |"]),
        "",
        f"- Groups looked at one by one: "
        f"{named['slice'] or 'none, so nothing is known of who is worse off'}.",
        f"- Fields about a person: {named['personal'] or 'none'}.",
        *(
            []
            if terms.time
            else ["- The contract names no time, so nothing is known of how it ages."]
        ),
    ]


def _start(terms: ContractSchema) -> list[str]:
    row = {field.name: example(field) for field in terms.fields}
    return [
        "`make serve` answers on this machine:",
        "",
        "```",
        "curl -s http://127.0.0.1:8000/v1/predict -H 'content-type: application/json' -d "
        "@- <<'EOF'",
        json.dumps({"rows": [row]}, ensure_ascii=False),
        "EOF",
        "```",
    ]


def _training(kind: str, terms: ContractSchema, data: Data, parts: Split) -> list[str]:
    window = f"from {data.since} until {data.until}" if data.since else "without a time"
    learnt = f"Learnt from {len(parts.train):,}," if kind == "model" else "Nothing is learnt;"
    return [
        f"{data.rows:,} labelled rows of {data.units:,} units, {window}.",
        f"{learnt} threshold from {len(parts.validation):,}, measured on "
        f"{len(parts.test):,}; no unit in two of them.",
        "",
        "### Inputs",
        "",
        document(terms),
    ]


def _evaluation(result: Evaluation, baseline: Evaluation, verdicts: list[Verdict]) -> list[str]:
    whole, today, less = result.whole(), baseline.whole(), result.difference(baseline)
    parts = sorted(
        (less[key].value, key[1]) for key in result.figures if key[1] != WHOLE and key[0] == "value"
    )
    return [
        f"On {whole['value'].n:,} test rows, with 95 % intervals; for slices 95 % for all "
        f"of them together.",
        "`value` is money for each row. The baseline is what is done today.",
        "",
        "### Figures",
        "",
        "| metric | here | baseline |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {_figure(whole[name])} | {_figure(today.get(name))} |"
            for name in sorted(whole)
        ),
        "",
        "### Slices",
        "",
        "| slice | value | less the baseline's | rows |",
        "| --- | --- | --- | --- |",
        *(
            f"| {cell(part)} | {_figure(result.figures[key])} | {_figure(less[key])} | "
            f"{result.figures[key].n:,} |"
            for key, part in ((("value", part), part) for _, part in parts)
        ),
        *([] if parts else ["| none of enough rows | | | |"]),
        "",
        "### Gates",
        "",
        *(f"- {mark(verdict)} {verdict.gate.id}: {cell(verdict.says)}" for verdict in verdicts),
    ]


def _figure(figure: Estimate | None) -> str:
    return "" if figure is None else f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
