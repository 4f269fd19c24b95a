"""Model card, under the headings of Hugging Face: purpose, data, evaluation, accountable person."""

import json
from collections.abc import Sequence

from ..bundle.manifest import BacktestWindow, Data, Estimate, Refit
from ..contract.classes import class_names
from ..contract.documentation import example_value, fields_table
from ..contract.schema import ContractSchema, Task
from ..display.plain_text import cell, display
from ..governance.gates import GateVerdict
from ..governance.ownership import TODO
from .backtest import backtest_warning
from .evaluate import OVERALL, Evaluation, class_parts
from .model_card_text import ModelCardText, is_filled_in, not_filled_in
from .split import Split


def render_card(
    kind: str,
    task: Task,
    terms: ContractSchema,
    card_text: ModelCardText,
    data: Data,
    parts: Split,
    threshold: float,
    evaluation: Evaluation,
    baseline: Evaluation,
    verdicts: list[GateVerdict],
    refit: Refit | None = None,
    windows: Sequence[BacktestWindow] = (),
) -> str:
    """Render the card as Markdown.

    It has no dates but those of the data, so that equal models have equal cards.
    """
    sections = {
        "Model Details": _details(kind, task, terms, card_text, threshold),
        "Uses": _uses(card_text),
        "Bias, Risks, and Limitations": _limitations(terms, card_text),
        "How to Get Started with the Model": _start(terms),
        "Training Details": _training(kind, terms, data, parts, refit),
        "Evaluation": [
            *_evaluation(terms, evaluation, baseline, verdicts),
            *_backtest(windows),
        ],
        "Model Card Authors": [f"- {display(author)}" for author in card_text.authors]
        or [not_filled_in("authors")],
        "Model Card Contact": [
            display(card_text.contact)
            if is_filled_in(card_text, "contact")
            else not_filled_in("contact")
        ],
    }
    title = f"Model card: {cell(card_text.name or terms.row.__name__)}"
    return (
        "\n\n".join(
            [
                f"# {title}",
                *("\n".join([f"## {name}", "", *lines]) for name, lines in sections.items()),
            ]
        )
        + "\n"
    )


def verdict_mark(verdict: GateVerdict) -> str:
    """Return "passed", "FAILED" or "skipped"."""
    return {True: "passed", False: "FAILED", None: "skipped"}[verdict.passed]


def _details(
    kind: str, task: Task, terms: ContractSchema, card_text: ModelCardText, threshold: float
) -> list[str]:
    lines = [
        f"A {kind} that scores `{terms.label}` ({task}). "
        f"Accountable for its quality: {display(card_text.contact or TODO)}.",
        "",
        f"- One row: {cell((terms.row.__doc__ or terms.row.__name__).strip().splitlines()[0])}",
        f"- Why it exists: {cell(card_text.statement) or not_filled_in('statement')}",
        f"- Risk tier: {cell(card_text.tier) or not_filled_in('tier')}",
    ]
    if terms.classes:
        lines.append(f"- Classes: {', '.join(map(cell, class_names(terms.classes)))}")
    if task != "regression":
        of = "of the largest probability" if terms.classes else ""
        lines.append(
            f"- Threshold {threshold:.6g}{of and ' '}{of}: the one with the largest payoff on the "
            "validation rows, which the model did not learn from"
        )
    return lines


def _uses(card_text: ModelCardText) -> list[str]:
    return [
        "### Direct Use",
        "",
        f"Who decides with the model: {cell(card_text.decision) or not_filled_in('decision')}",
        "",
        "### Out-of-Scope Use",
        "",
        *(
            [f"- {cell(use)}" for use in card_text.out_of_scope]
            or [f"- {not_filled_in('out_of_scope')}"]
        ),
        "- Rows that violate a rule of the inputs below: the service rejects them.",
    ]


def _limitations(terms: ContractSchema, card_text: ModelCardText) -> list[str]:
    named = {"slice": ", ".join(terms.slices), "personal": ", ".join(terms.personal)}
    return [
        "| harm | mitigation |",
        "| --- | --- |",
        *(
            f"| {cell(harm)} | {cell(mitigation) or 'none yet'} |"
            for harm, mitigation in card_text.risks
        ),
        *([] if card_text.risks else [f"| {not_filled_in('risks')} | |"]),
        "",
        f"- Groups that were evaluated separately: "
        f"{named['slice'] or 'none, so it is unknown which groups are worse off'}.",
        f"- Fields with personal data: {named['personal'] or 'none'}.",
        *(
            []
            if terms.time
            else ["- The contract names no EVENT_TIME, so it is unknown how the model ages."]
        ),
    ]


def _start(terms: ContractSchema) -> list[str]:
    row = {field.name: example_value(field) for field in terms.fields}
    return [
        "`make serve` starts the service on this machine:",
        "",
        "```",
        "curl -s http://127.0.0.1:8000/v1/predict -H 'content-type: application/json' -d "
        "@- <<'EOF'",
        json.dumps({"rows": [row]}, ensure_ascii=False),
        "EOF",
        "```",
    ]


def _training(
    kind: str, terms: ContractSchema, data: Data, parts: Split, refit: Refit | None
) -> list[str]:
    window = f"from {data.since} until {data.until}" if data.since else "without EVENT_TIME"
    learned = (
        f"It learned from {len(parts.train):,} rows."
        if kind == "model"
        else "A baseline does not learn."
    )
    return [
        f"The data has {data.rows:,} labeled rows of {data.units:,} units, {window}.",
        f"{learned} The threshold comes from {len(parts.validation):,} rows, and the figures from "
        f"{len(parts.test):,} test rows. No unit is in two of these parts.",
        *([f"The project itself divided the rows: {data.split}."] if data.split else []),
        "",
        *(_refit(refit, data) if refit else []),
        "### Inputs",
        "",
        fields_table(terms),
    ]


def _refit(refit: Refit, data: Data) -> list[str]:
    return [
        "### Refit",
        "",
        f"The figures are those of an evaluated model: it learned from the "
        f"{refit.evaluated_rows:,} rows until {refit.evaluated_until}, and was tested on later "
        "ones. After it passed the gates, the model was fitted again on all "
        f"{refit.rows:,} rows, until {data.until}. This refitted model is the one that serves. On "
        f"the test rows the scores of both differ by {refit.difference:.2g} standard deviations on "
        "average.",
        "",
    ]


def _backtest(windows: Sequence[BacktestWindow]) -> list[str]:
    if not windows:
        return []
    wins, warning = sum(window.beats_baseline for window in windows), backtest_warning(windows)
    return [
        "",
        "### Back-test",
        "",
        "Models of the same kind, each fitted on the rows before a window and tested on it. "
        f"Worth more than the baseline in {wins} of {len(windows)} windows. The baseline's figures "
        "are in brackets.",
        "",
        *([f"**Warning:** {cell(warning)}.", ""] if warning else []),
        "| from | until | learned rows | tested rows | value | mae | rmse |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {one.since[:16]} | {one.until[:16]} | {one.learned:,} | {one.rows:,} | "
            f"{one.value:.4g} ({one.baseline_value:.4g}) | {one.mae:.4g} ({one.baseline_mae:.4g}) "
            f"| {one.rmse:.4g} ({one.baseline_rmse:.4g}) |"
            for one in windows
        ),
    ]


def _evaluation(
    terms: ContractSchema, result: Evaluation, baseline: Evaluation, verdicts: list[GateVerdict]
) -> list[str]:
    whole, today = result.overall(), baseline.overall()
    less = result.difference(baseline)
    parts = sorted(
        (less[key].value, key[1])
        for key in result.figures
        if key[1] != OVERALL and key[0] == "value"
    )
    return [
        f"On {whole['value'].n:,} test rows, with 95 % intervals. The intervals of slices cover "
        "95 % for all slices jointly.",
        "`value` is the payoff per row, in money. The baseline is today's rule.",
        "",
        "### Figures",
        "",
        "| metric | this version | baseline |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {_figure(whole[name])} | {_figure(today.get(name))} |"
            for name in sorted(whole)
        ),
        "",
        *_classes(terms, result),
        "### Slices",
        "",
        "| slice | value | minus the baseline's | rows |",
        "| --- | --- | --- | --- |",
        *(
            f"| {cell(part)} | {_figure(result.figures[key])} | {_figure(less[key])} | "
            f"{result.figures[key].n:,} |"
            for key, part in ((("value", part), part) for _, part in parts)
        ),
        *([] if parts else ["| no slice has enough rows | | | |"]),
        "",
        "### Gates",
        "",
        *(
            f"- {verdict_mark(verdict)} {verdict.gate.id}: {cell(verdict.says)}"
            for verdict in verdicts
        ),
    ]


def _classes(terms: ContractSchema, result: Evaluation) -> list[str]:
    """Return the lines of the classes; none without classes."""
    if not terms.classes:
        return []
    named = zip(class_names(terms.classes), class_parts(terms), strict=True)
    return [
        "### Classes",
        "",
        "`make report` adds the confusion matrix. Intervals cover 95 % for all classes jointly.",
        "",
        "| class | precision | recall |",
        "| --- | --- | --- |",
        *(
            f"| {cell(name)} | {_figure(result.figures['precision', part])} | "
            f"{_figure(result.figures['recall', part])} |"
            for name, part in named
        ),
        "",
    ]


def _figure(figure: Estimate | None) -> str:
    return "" if figure is None else f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
