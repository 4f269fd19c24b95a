"""The model card: what it is for, what it was measured on, and who answers for it."""

from collections.abc import Mapping

from ..bundle.manifest import Data, Estimate
from ..contract.documentation import document
from ..contract.terms import Terms
from ..governance.gates import Verdict
from .evaluate import Evaluation


def card(
    kind: str,
    terms: Terms,
    accountable: str,
    data: Data,
    threshold: float,
    found: Evaluation,
    baseline: Mapping[str, Estimate],
    verdicts: list[Verdict],
) -> str:
    """Markdown of the manifest's facts; no date but those of the data, so that equal models have equal cards."""
    window = f"from {data.since} until {data.until}" if data.since else "without a time"
    lines = [
        f"# {(terms.row.__doc__ or terms.row.__name__).strip().splitlines()[0]}",
        "",
        f"A {kind} that scores `{terms.label}`. Accountable for its quality: {accountable}.",
        f"Learnt and measured on {data.rows:,} labelled rows of {data.units:,} units, {window}.",
        f"Threshold {threshold:.6g}.",
        "",
        "## Figures on test rows, with 95 % intervals",
        "",
        "`value` is money for each row. The baseline is what is done today.",
        "",
        "| metric | here | baseline |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {_said(figure)} | {_said(baseline.get(name))} |"
            for name, figure in sorted(found.whole().items())
        ),
        "",
        "| slice | value | rows |",
        "| --- | --- | --- |",
        *(
            f"| {part} | {_said(figure)} | {figure.n:,} |"
            for (name, part), figure in sorted(found.figures.items())
            if part and name == "value"
        ),
        "",
        "## Gates",
        "",
        *(f"- {mark(verdict)} {verdict.gate.id}: {verdict.says}" for verdict in verdicts),
        "",
        "## Inputs",
        "",
        document(terms),
    ]
    return "\n".join(lines) + "\n"


def mark(verdict: Verdict) -> str:
    return {True: "passed", False: "FAILED", None: "skipped"}[verdict.passed]


def _said(figure: Estimate | None) -> str:
    return "" if figure is None else f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
