"""No module imports itself through other modules.

This includes imports within a function and for types, which lint-imports does not check.
"""

import graphlib

import grimp


def test_no_import_leads_in_a_circle() -> None:
    graph = grimp.build_graph("mlprod", cache_dir=None)
    # The package itself imports its public names only when they are first used.
    names = graph.modules - {"mlprod"}
    imported = {name: graph.find_modules_directly_imported_by(name) & names for name in names}
    assert len(imported) > 100
    order = list(graphlib.TopologicalSorter(imported).static_order())
    assert len(order) == len(imported)
