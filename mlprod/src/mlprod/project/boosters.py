"""The boosting libraries that model.py may use, and how a project installs one."""

BOOSTERS = ("catboost", "lightgbm", "xgboost")


def install_remedy(package: str) -> str:
    """Return how a project installs a booster, for a message; the converter comes with it."""
    return (
        f'write pipeline = ["mlprod[pipeline,{package}]"] in pyproject.toml, then run make lock '
        "and make setup"
    )
