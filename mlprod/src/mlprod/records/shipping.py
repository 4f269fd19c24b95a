"""The SQL statements that turn events into rows.

The first prediction under an id goes to `predictions`, every further one to `repeated_answers`.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

# Scores of one row by one bundle differ by less than this, whatever else is in the batch.
ROUNDING = "1e-6"
_ANSWER = (
    "at, model_version, bundle, arm, mode, unit_hash, score, decision, row, answer_id, caller, "
    "request, smoke, scores"
)
# Old events have no number, so their answer_id and smoke are unknown.
_ANSWERS = {
    "sqlite": """
WITH e AS MATERIALIZED (
  SELECT json_extract(value, '$.at') AS at, json_extract(value, '$.model_version') AS model_version,
    json_extract(value, '$.bundle') AS bundle, json_extract(value, '$.arm') AS arm,
    json_extract(value, '$.mode') AS mode, json_extract(value, '$.number') AS number,
    json_extract(value, '$.caller') AS caller, json_extract(value, '$.request') AS request,
    coalesce(json_extract(value, '$.start'), 0) AS start,
    json_extract(value, '$.predictions') AS predictions
  FROM json_each(:events)
)
SELECT json_extract(p.value, '$.id') AS id, e.at AS at, e.model_version AS model_version,
  e.bundle AS bundle,
  coalesce(json_extract(p.value, '$.arm'), e.arm) AS arm, e.mode AS mode,
  json_extract(p.value, '$.unit') AS unit_hash, json_extract(p.value, '$.score') AS score,
  json_extract(p.value, '$.decision') AS decision, json_extract(p.value, '$.row') AS row,
  e.number || printf('%04x', e.start + p.key) AS answer_id, e.caller AS caller,
  e.request AS request,
  CASE WHEN e.number IS NOT NULL THEN coalesce(json_extract(p.value, '$.smoke'), 0) END AS smoke,
  json_extract(p.value, '$.scores') AS scores
FROM e, json_each(e.predictions) AS p WHERE true""",
    "postgresql": """
SELECT p.value->>'id' AS id, CAST(e->>'at' AS timestamp) AS at,
  e->>'model_version' AS model_version, e->>'bundle' AS bundle,
  coalesce(p.value->>'arm', e->>'arm') AS arm, e->>'mode' AS mode,
  p.value->>'unit' AS unit_hash, CAST(p.value->>'score' AS double precision) AS score,
  p.value->>'decision' AS decision, p.value->'row' AS row,
  (e->>'number') || lpad(to_hex(coalesce(CAST(e->>'start' AS bigint), 0) + p.place - 1), 4, '0')
    AS answer_id,
  e->>'caller' AS caller, e->>'request' AS request,
  CASE WHEN e->>'number' IS NOT NULL
    THEN coalesce(CAST(p.value->>'smoke' AS boolean), false) END AS smoke,
  p.value->'scores' AS scores
FROM jsonb_array_elements(CAST(:events AS jsonb)) AS e,
  jsonb_array_elements(e->'predictions') WITH ORDINALITY AS p(value, place)""",
}
# When is it another row? If a field or the unit differs; only those that both rows have count,
# because a contract may change. Or if the score of the same bundle differs, because the score also
# depends on fields that are not recorded.
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
INSERT INTO repeated_answers (prediction_id, {columns})
SELECT id, {columns} FROM ({repeats}) AS r WHERE true
ON CONFLICT (answer_id) DO NOTHING RETURNING conflicting"""


@dataclass(frozen=True)
class InsertResult:
    """The result of an insert: how many predictions had a new id, and how many a known one.

    Of those with a known id, `repeated` are for the same row as the first prediction, and
    `conflicting` for another row. Predictions that were stored before under their own number do not
    count.
    """

    new: int
    repeated: int = 0
    conflicting: int = 0


@dataclass(frozen=True)
class Statements:
    """The statements; the parameter of each is `events`, a JSON array.

    `first` inserts predictions with new ids. `repeats` returns id and `conflicting` of the
    predictions whose id has another one. `keep` inserts these, and returns `conflicting` of the
    inserted rows.
    """

    first: TextClause
    repeats: TextClause
    keep: TextClause


def build_statements(dialect: str) -> Statements:
    """Build the statements for `sqlite` or `postgresql`."""
    answers = _ANSWERS[dialect]
    repeats = _REPEATS[dialect].format(answers=answers, rounding=ROUNDING)
    return Statements(
        first=text(_FIRST.format(answers=answers, columns=_ANSWER)),
        repeats=text(_REPEATED.format(repeats=repeats)),
        keep=text(_KEEP.format(repeats=repeats, columns=f"{_ANSWER}, conflicting")),
    )


def count_predictions(event: bytes) -> int:
    """Count the predictions of an event without parsing it.

    Each prediction has one key "unit". Within a text its quotation marks would be escaped.
    """
    return event.count(b'"unit":')
