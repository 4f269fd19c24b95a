"""No module imports itself through others, within a function or for types: lint-imports looks at neither."""

import graphlib

import grimp

# The engine of PostgreSQL takes two limits of waiting from the module that loads it for such a URL alone.
LATE = {("mlprod.records.postgres", "mlprod.records.database")}


def test_no_import_leads_in_a_circle() -> None:
    graph = grimp.build_graph("mlprod", cache_dir=None)
    names = graph.modules - {"mlprod"}  # whose public names lead everywhere, and nowhere before they are asked for
    imported = {
        name: {other for other in graph.find_modules_directly_imported_by(name) & names if (name, other) not in LATE}
        for name in names
    }
    assert len(imported) > 100
    order = list(graphlib.TopologicalSorter(imported).static_order())
    assert len(order) == len(imported)
