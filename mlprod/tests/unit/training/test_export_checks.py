import sys
from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pytest
from seams import PARCELS, binary, parcels
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

from mlprod.project.boosters import install_remedy
from mlprod.project.project import Project
from mlprod.training import export_checks
from mlprod.training.dataset import collect
from mlprod.training.export_checks import (
    UnsupportedStepError,
    export_warnings,
    require_exportable,
    steps,
)
from mlprod.training.fit import fit

ROWS = collect(ibis.memtable(parcels(200)), PARCELS)


# scikit-learn has no types, so its classes are Any to the type checker.
class Doubler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, matrix: Any, y: Any = None) -> "Doubler":
        raise AssertionError("it was fitted")

    def transform(self, matrix: Any) -> Any:
        return 2 * matrix


def in_columns(part: Any, last: Any) -> Any:
    return make_pipeline(ColumnTransformer([("amounts", part, [0, 1])]), last)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        in_columns("passthrough", LogisticRegression()),
        in_columns(make_pipeline(StandardScaler(), OneHotEncoder()), RandomForestClassifier()),
    ],
)
def test_estimators_with_converters_are_accepted(estimator: Any) -> None:
    require_exportable(estimator)


def test_step_without_converter_is_named_before_anything_is_fitted() -> None:
    seam = replace(binary, build_model=lambda fields: in_columns(Doubler(), LogisticRegression()))
    with pytest.raises(
        UnsupportedStepError,
        match=r"step 'columntransformer/amounts' \(Doubler\) has no converter to ONNX\. Works: .*"
        r'RUNTIME = "python" in model\.py\. .* derive\(\) of features\.py',
    ):
        fit(seam, ROWS)


def test_each_step_has_a_name() -> None:
    union = FeatureUnion([("left", StandardScaler()), ("right", "drop")])
    names = [name for name, _ in steps(in_columns(union, LogisticRegression()))]
    assert names == [
        "step 'columntransformer/amounts/left' (StandardScaler)",
        "step 'logisticregression' (LogisticRegression)",
    ]


@pytest.mark.parametrize(
    ("package", "name", "given"),
    [
        ("lightgbm", "LGBMClassifier", {"boosting_type": "rf"}),
        ("lightgbm", "LGBMClassifier", {"zero_as_missing": True}),
        ("lightgbm", "LGBMClassifier", {"sigmoid": 2.0}),
        ("lightgbm", "LGBMRegressor", {"linear_tree": True}),
        ("lightgbm", "LGBMRegressor", {"reg_sqrt": True}),
        ("xgboost", "XGBClassifier", {"booster": "dart"}),
        ("xgboost", "XGBClassifier", {"missing": 0.0}),
        ("xgboost", "XGBClassifier", {"num_parallel_tree": 3}),
        ("catboost", "CatBoostClassifier", {"grow_policy": "Lossguide"}),
        ("catboost", "CatBoostClassifier", {"cat_features": [1]}),
    ],
)
def test_parameter_without_exact_export_is_refused_with_what_works(
    package: str, name: str, given: dict[str, Any]
) -> None:
    module = pytest.importorskip(package, reason=f"the package {package} is not installed")
    ((parameter, value),) = given.items()
    with pytest.raises(UnsupportedStepError) as refused:
        require_exportable(make_pipeline(StandardScaler(), getattr(module, name)(**given)))
    text = str(refused.value)
    assert f"({name}) has {parameter}={value!r}, which has no exact export to ONNX" in text
    assert f"Works: {parameter}=" in text
    require_exportable(getattr(module, name)())


def test_booster_without_its_converter_is_refused_with_the_lines_that_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = type("LGBMClassifier", (BaseEstimator,), {"__module__": "lightgbm.sklearn"})
    monkeypatch.setattr(export_checks, "find_spec", lambda name: None)
    with pytest.raises(
        UnsupportedStepError,
        match=r"LGBMClassifier needs the package onnxmltools .* works: write pipeline = "
        r'\["mlprod\[pipeline,lightgbm\]"\] in pyproject\.toml, then run make lock and make setup',
    ):
        require_exportable(stranger())


def test_model_that_imports_a_missing_booster_is_refused_with_the_lines_that_install_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlprod.contract.schema import ContractError

    folder = tmp_path / "shop_without_catboost"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "model.py").write_text("from catboost import CatBoostClassifier\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(ContractError, match=r"model\.py imports catboost, which is not") as refused:
        _ = Project("shop_without_catboost").model
    assert install_remedy("catboost") in str(refused.value)


def test_another_missing_package_is_an_import_error_of_its_own(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop_without_prophet"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "model.py").write_text("import no_such_package_of_the_test\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package_of_the_test"):
        _ = Project("shop_without_prophet").model


def warnings_of(part: Any, last: Any) -> list[str]:
    """The warnings of a fit with one transformed number."""
    columns = ColumnTransformer([("weights", part, ["weight"])], remainder="passthrough")
    seam = replace(binary, build_model=lambda fields: make_pipeline(columns, last))
    lines: list[str] = []
    fit(seam, ROWS, lines.append)
    return lines


def test_scaler_before_trees_is_named_with_the_remedy() -> None:
    (line,) = warnings_of(RobustScaler(), HistGradientBoostingClassifier(max_iter=2))
    assert line.startswith(
        "export     WARNING: step 'columntransformer/weights' (RobustScaler) before "
        "HistGradientBoostingClassifier"
    )
    assert line.endswith("Trees need no scaler: remove it")


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_scalers_with_an_exact_export_are_not_warned_about(scaler: Any) -> None:
    assert warnings_of(scaler, HistGradientBoostingClassifier(max_iter=2)) == []


def test_missing_values_in_a_forest_are_named_with_the_remedy() -> None:
    (line,) = warnings_of("passthrough", RandomForestClassifier(3))
    assert "WARNING: RandomForestClassifier gets missing values" in line
    assert "make_pipeline(SimpleImputer(), RandomForestClassifier(...))" in line


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        in_columns(OneHotEncoder(), RandomForestClassifier()),
    ],
)
def test_designs_with_an_exact_export_give_no_warning(estimator: Any) -> None:
    assert list(export_warnings(estimator)) == []


def test_sparse_columns_before_xgboost_are_named_with_the_remedy() -> None:
    xgboost = pytest.importorskip("xgboost", reason="the package xgboost is not installed")
    (warning,) = export_warnings(in_columns(OneHotEncoder(), xgboost.XGBClassifier()))
    assert warning.endswith("Works: OneHotEncoder(sparse_output=False)")
    dense = in_columns(OneHotEncoder(sparse_output=False), xgboost.XGBClassifier())
    assert list(export_warnings(dense)) == []


def test_value_of_a_threshold_is_the_largest_float32_below_it() -> None:
    from mlprod.training.onnx_converters import round_down

    low, high = np.float32(20), np.nextafter(np.float32(20), np.float32(30))
    for share in (0.0, 0.4, 0.5, 0.6, 0.999):
        assert round_down(float(low) + share * (float(high) - float(low))) == float(low)
    assert round_down(float(high)) == float(high)
    assert round_down(-0.1) <= -0.1
