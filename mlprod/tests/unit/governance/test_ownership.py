from pathlib import Path

import pytest
from conftest import OWNERSHIP

from mlprod.governance.ownership import read_ownership
from mlprod.governance.yaml_loader import GovernanceError


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "ownership.yaml"
    path.write_text(content)
    return path


def test_an_outcome_has_one_accountable_person(tmp_path: Path) -> None:
    ownership = read_ownership(written(tmp_path, OWNERSHIP))
    assert ownership.accountable("model_quality") == "Your Name <you@example.org>"


@pytest.mark.parametrize("outcome", ["model_quality", "unheard_of"])
def test_missing_name_is_shown_as_todo(tmp_path: Path, outcome: str) -> None:
    ownership = read_ownership(written(tmp_path, OWNERSHIP.replace("Your Name", "TODO")))
    assert ownership.accountable(outcome) == "TODO"


def test_unknown_accountable_person_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        GovernanceError, match=r"model_quality: accountable 'somebody' is not in people"
    ):
        read_ownership(
            written(
                tmp_path, OWNERSHIP.replace("accountable: model_owner", "accountable: somebody")
            )
        )


def test_two_accountable_for_one_outcome_are_refused(tmp_path: Path) -> None:
    duplicate = OWNERSHIP + "  - {id: model_quality, accountable: model_owner}\n"
    with pytest.raises(GovernanceError, match="appears twice; one outcome has one accountable"):
        read_ownership(written(tmp_path, duplicate))


PEOPLE = """  - {id: a, name: A, email: a@example.org}
  - {id: b, name: B, email: A@example.org}
  - {id: c, name: TODO, email: TODO}
  - {id: d, name: TODO, email: TODO}
"""
WHOLE = OWNERSHIP.replace(
    "outcomes:\n", PEOPLE + "teams:\n  - {id: team, members: [a, c]}\noutcomes:\n"
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True),
        ("a", "b", True),
        ("a", "model_owner", False),
        ("c", "d", False),
        ("c", "c", True),
        ("a", "x", False),
    ],
)
def test_two_ids_with_one_address_are_one_person(
    tmp_path: Path, one: str, other: str, same: bool
) -> None:
    ownership = read_ownership(written(tmp_path, WHOLE))
    assert ownership.is_same_person(one, other) is ownership.is_same_person(other, one) is same


def test_team_is_replaced_by_its_members(tmp_path: Path) -> None:
    ownership = read_ownership(written(tmp_path, WHOLE))
    assert [person.id for person in ownership.people_of(["b", "team", "a", "nobody"])] == [
        "b",
        "a",
        "c",
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("people:", "the key 'people' appears twice"),
        (
            "  - {id: model_quality2, accountable: team}",
            "accountable 'team' is a team; name one person",
        ),
        (
            "  - {id: x, accountable: a, informed: [y]}",
            "outcomes: x: informed 'y' is not in people",
        ),
        (
            "accepted: [{person: team, outcome: x, date: 2026-01-01, review_by: 2026-02-01}]",
            "accepted: person 'team' is a team",
        ),
        (
            "skills: {covered: {ml: [{person: z, level: mentor}]}}",
            "skills: covered: ml: person 'z' is not in people",
        ),
        (
            "skills: {gaps: [{skill: ml, action: hire, owner: z, due: 2026-01-01}]}",
            "skills: gaps: ml: owner 'z' is not in",
        ),
    ],
)
def test_unknown_id_is_refused(tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(GovernanceError) as refused:
        read_ownership(written(tmp_path, f"{WHOLE}{more}\n"))
    assert str(tmp_path / "ownership.yaml") in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("id: b,", "id: a,", r"people: \['a'\] appear twice"),
        ("members: [a, c]", "members: [a, q]", "teams: team 'q' is not in people"),
        (
            "{id: team, members: [a, c]}",
            "{id: t, members: []}, {id: t, members: []}",
            "not readable as YAML",
        ),
        (
            "- {id: model_quality, ",
            "- {id: quality, ",
            r"outcomes: \['model_quality'\] is missing. What works",
        ),
    ],
)
def test_contradictory_list_is_refused(tmp_path: Path, before: str, after: str, says: str) -> None:
    with pytest.raises(GovernanceError, match=says):
        read_ownership(written(tmp_path, WHOLE.replace(before, after)))
