"""The statements that turn events into rows: the first answer under an id, and every further one
beside it.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

# scores of one row by one bundle differ by less, whatever other rows they were computed with
ROUNDING = "1e-6"
_ANSWER = (
    "at, model_version, bundle, arm, mode, unit_hash, score, decision, row, answer_id, caller, "
    "request, smoke"
)
# Events of before answers were numbered leave answer_id and smoke unknown.
_ANSWERS = {
    "sqlite": """
WITH e AS MATERIALIZED (
  SELECT json_extract(value, '$.at') AS at, json_extract(value, '$.model_version') AS model_version,
    json_extract(value, '$.bundle') AS bundle, json_extract(value, '$.arm') AS arm,
    json_extract(value, '$.mode') AS mode, json_extract(value, '$.number') AS number,
    json_extract(value, '$.caller') AS caller, json_extract(value, '$.request') AS request,
    coalesce(json_extract(value, '$.start'), 0) AS start, json_extract(value, '$.predictions') AS predictions
  FROM json_each(:events)
)
SELECT json_extract(p.value, '$.id') AS id, e.at AS at, e.model_version AS model_version, e.bundle AS bundle,
  coalesce(json_extract(p.value, '$.arm'), e.arm) AS arm, e.mode AS mode,
  json_extract(p.value, '$.unit') AS unit_hash, json_extract(p.value, '$.score') AS score,
  json_extract(p.value, '$.decision') AS decision, json_extract(p.value, '$.row') AS row,
  e.number || printf('%04x', e.start + p.key) AS answer_id, e.caller AS caller, e.request AS request,
  CASE WHEN e.number IS NOT NULL THEN coalesce(json_extract(p.value, '$.smoke'), 0) END AS smoke
FROM e, json_each(e.predictions) AS p WHERE true""",
    "postgresql": """
SELECT p.value->>'id' AS id, CAST(e->>'at' AS timestamp) AS at, e->>'model_version' AS model_version,
  e->>'bundle' AS bundle, coalesce(p.value->>'arm', e->>'arm') AS arm, e->>'mode' AS mode,
  p.value->>'unit' AS unit_hash, CAST(p.value->>'score' AS double precision) AS score,
  p.value->>'decision' AS decision, p.value->'row' AS row,
  (e->>'number') || lpad(to_hex(coalesce(CAST(e->>'start' AS bigint), 0) + p.place - 1), 4, '0') AS answer_id,
  e->>'caller' AS caller, e->>'request' AS request,
  CASE WHEN e->>'number' IS NOT NULL THEN coalesce(CAST(p.value->>'smoke' AS boolean), false) END AS smoke
FROM jsonb_array_elements(CAST(:events AS jsonb)) AS e,
  jsonb_array_elements(e->'predictions') WITH ORDINALITY AS p(value, place)""",
}
# Another row: a field or the unit differs where both have it, since a contract may change, or the
# score of the same
# bundle does, which also depends on fields that are not recorded.
_REPEATS = {
    "sqlite": """
SELECT s.*, coalesce(s.unit_hash <> q.unit_hash, false)
  OR (s.bundle = q.bundle AND abs(s.score - q.score) > {rounding} * max(1, abs(q.score)))
  OR EXISTS (SELECT 1 FROM json_each(s.row) AS a JOIN json_each(q.row) AS b ON a.key = b.key
    WHERE a.value IS NOT b.value) AS conflicting
FROM ({answers}) AS s JOIN predictions AS q ON q.id = s.id
WHERE s.answer_id IS NOT NULL AND s.answer_id IS NOT q.answer_id""",
    "postgresql": """
SELECT s.*, coalesce(s.unit_hash <> q.unit_hash, false)
  OR (s.bundle = q.bundle AND abs(s.score - q.score) > {rounding} * greatest(1, abs(q.score)))
  OR EXISTS (SELECT 1 FROM jsonb_each(s.row) AS a JOIN jsonb_each(q.row) AS b ON a.key = b.key
    WHERE a.value <> b.value) AS conflicting
FROM ({answers}) AS s JOIN predictions AS q ON q.id = s.id
WHERE s.answer_id IS NOT NULL AND s.answer_id IS DISTINCT FROM q.answer_id""",
}
_FIRST = "INSERT INTO predictions (id, {columns}) {answers} ON CONFLICT (id) DO NOTHING"
_REPEATED = "SELECT id, conflicting FROM ({repeats}) AS r"
_KEEP = """
INSERT INTO repeated_answers (prediction_id, {columns}) SELECT id, {columns} FROM ({repeats}) AS r WHERE true
ON CONFLICT (answer_id) DO NOTHING RETURNING conflicting"""


@dataclass(frozen=True)
class Shipped:
    """How many predictions came under an id that was new; of the others how many answer the same
    row as the first answer, and how many another row. What was stored before under its own number
    is none of these.
    """

    new: int
    repeated: int = 0
    conflicting: int = 0


@dataclass(frozen=True)
class Statements:
    """Each takes `events`, a JSON array.

    `first` writes answers under new ids; `repeats` gives id and `conflicting` of the answers whose
    id has another one; `keep` writes these, and gives `conflicting` of those not there yet.
    """

    first: TextClause
    repeats: TextClause
    keep: TextClause


def statements(dialect: str) -> Statements:
    """For `sqlite` or `postgresql`."""
    answers = _ANSWERS[dialect]
    repeats = _REPEATS[dialect].format(answers=answers, rounding=ROUNDING)
    return Statements(
        first=text(_FIRST.format(answers=answers, columns=_ANSWER)),
        repeats=text(_REPEATED.format(repeats=repeats)),
        keep=text(_KEEP.format(repeats=repeats, columns=f"{_ANSWER}, conflicting")),
    )


def predictions_in(event: bytes) -> int:
    """How many predictions an event holds: each has one unit, and within a text quotation marks
    have backslashes.
    """
    return event.count(b'"unit":')
