"""The generated files of a project, from the library, governance/ and the contract."""

from pathlib import Path

from ..assets import RULES, asset_files
from ..contract.open_data_contract import ContractFacts, open_data_contract
from ..governance.config import GovernanceConfig
from ..governance.generated import render_files, to_yaml
from ..governance.people import TODO
from ..governance.prometheus_rule import ENVIRONMENTS, prometheus_rule, require_one_name
from ..project.project import Seam


def generated_files(org: GovernanceConfig, seam: Seam | None) -> dict[str, str]:
    """Return the text of every generated file by its name.

    They follow from the library's version, from governance/ and from the contract. If the contract
    cannot be read, its export is left out.
    """
    more = {}
    if seam:
        person, system = org.ownership.accountable_person("data_quality"), org.ownership.system
        team = next((team for team in org.ownership.teams if team.channel), None)
        facts = ContractFacts(
            name=system.name,
            purpose=org.problem.problem.statement,
            limitations=None,
            owner_name=person.name if person else TODO,
            owner_email=person.email if person else TODO,
            domain=system.domain or None,
            version="1.0.0",
            status="draft" if system.stage == "poc" else "active",
            support_channel=team.channel if team else None,
        )
        more["datacontract.yaml"] = to_yaml(open_data_contract(seam.terms, facts))
    require_one_name(org.ownership.system, Path())
    for environment in ENVIRONMENTS:
        if (overlay := Path("deploy/overlays") / environment).is_dir():
            head = (
                "# monitoring/prometheus/*.rules.yml for this environment alone; your rules are in "
                "project.rules.yml\n"
            )
            resource = prometheus_rule(Path("monitoring/prometheus"), org, environment, RULES)
            more[f"{overlay}/prometheus-rule.yaml"] = head + to_yaml(resource)
    return {**render_files(org, more, Path()), **asset_files(Path())}
