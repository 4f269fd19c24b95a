"""No module imports itself through others, within a function or for types: lint-imports looks at
neither.
"""

import graphlib

import grimp


def test_no_import_leads_in_a_circle() -> None:
    graph = grimp.build_graph("mlprod", cache_dir=None)
    names = graph.modules - {
        "mlprod"
    }  # whose public names lead everywhere, and nowhere before they are asked for
    imported = {name: graph.find_modules_directly_imported_by(name) & names for name in names}
    assert len(imported) > 100
    order = list(graphlib.TopologicalSorter(imported).static_order())
    assert len(order) == len(imported)
