"""Batch scoring by a baked project: to a bucket, with a database, and by Spark. Slow."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_baked_life import Project, environment, post_json, project, wait_for_version
from test_baked_registry import RegistryServer, registry

__all__ = ["environment", "project", "registry"]  # fixtures
pytestmark = pytest.mark.slow

# Prints a file of scores as JSON; the template's own environment does not have pyarrow.
SHOW = """import json, sys
import pyarrow.parquet as pq
print(json.dumps(pq.read_table(sys.argv[1]).drop_columns(["at"]).to_pylist()))
"""
MONTH = """from datetime import datetime
from PACKAGE.data import load
load(datetime(2026, 6, 1), datetime(2026, 7, 1)).to_parquet("june.parquet")
"""
ON_SPARK = """import json, sys
from dataclasses import replace
from pathlib import Path
import ibis
from mlprod.contract.validation import check
from mlprod.batch import open_scorer
from mlprod.training.dataset import collect
from mlprod.project.project import Project
from mlprod.batch.job import score
from mlprod.batch.selection import ScoringInput, load_scoring_functions
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
connections = ibis.pyspark.connect(spark), ibis.duckdb.connect()
there, here = (connection.read_parquet("june.parquet") for connection in connections)
project = Project("PACKAGE")
seam = project.seam()
champion = json.loads(Path("var/models/champion.json").read_text())["digest"]
scores = spark.read.parquet("june.parquet").repartition(4).mapInArrow(
    open_scorer(f"var/models/versions/{champion}", "PACKAGE"),
    "transaction_id string, score double, decision string, refused string"
)
decided = {row.transaction_id: (row.score, row.decision, row.refused) for row in scores.collect()}
for place, table in (("spark.parquet", there), ("here.parquet", here)):
    source = ScoringInput(table, place, place)
    functions = load_scoring_functions(project)
    score(functions, project.settings(), source, place, None, who="you@example.org")
print(json.dumps({
    "checked": [repr(check(table, seam.terms, seam.task())) for table in (there, here)],
    "rows": [collect(table, seam.terms).digest() for table in (there, here)],
    "scores": decided,
}))
"""


def python(project: Project, program: str, *arguments: str, **more: str) -> str:
    """Run a program in the baked project's environment and return its output."""
    command = [str(project.python), "-c", for_project(project, program), *arguments]
    done = subprocess.run(
        command,
        cwd=project.path,
        env=project.environment | more,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def for_project(project: Project, program: str) -> str:
    return program.replace("PACKAGE", project.package)


def rows_of(project: Project, file: Path) -> list[dict[str, Any]]:
    return list(json.loads(python(project, SHOW, str(file))))


def champion(project: Project) -> None:
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")


@pytest.mark.sampled("a company's servers")
def test_batch_scores_to_a_bucket_records_in_postgresql_stops_and_joins_outcomes(
    project: Project, registry: RegistryServer
) -> None:
    (registry.objects / "scores").mkdir()
    keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), registry.keys, strict=True))
    database = f"postgresql://postgres@127.0.0.1:{registry.database}/postgres"
    project.environment |= keys | {"AWS_REGION": "us-east-1", "ML_DATABASE_URL": database}
    bucket = f"s3://scores?scheme=http&endpoint_override=127.0.0.1:{registry.store}"
    champion(project)
    assert project.run("migrate").returncode == 0
    day = ("SINCE=2026-06-01", "UNTIL=2026-06-02", f"OUTPUT={bucket}")

    assert "1,000 recorded" in project.makes("score", *day)
    file = registry.objects / "scores" / "2026-06-01.parquet"
    first = rows_of(project, file)
    assert {row["decision"] for row in first} == {"approve", "decline"}
    assert (
        "0 recorded, 1,000 were already recorded: the output has the recorded responses"
        in project.makes("score", *day)
    )

    with project.serving() as address:
        wait_for_version(address, "1")
        known = [
            {"prediction_id": row["transaction_id"], "outcome": 0, "at": "2026-06-03T00:00:00Z"}
            for row in first
        ]
        assert post_json(f"{address}/v1/outcomes", {"outcomes": known}) == {
            "accepted": 1_000, "repeated": 0, "corrected": 0, "unknown": 0,
        }  # fmt: skip

    project.makes("set-mode", "MODE=shadow", REASON="complaints since noon")
    before = file.read_bytes()
    project.makes("score", *day)
    assert file.read_bytes() != before
    stopped = rows_of(project, file)
    assert {row["decision"] for row in stopped} == {None}
    assert [row["score"] for row in stopped] == [row["score"] for row in first]

    refused = project.run("score", "--output", bucket, AWS_SECRET_ACCESS_KEY="a" * 40)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "cannot be written to" in refused.stderr


@pytest.mark.sampled("a company's servers")
def test_spark_and_duckdb_check_load_and_score_the_same_rows(project: Project) -> None:
    """pyspark is next to the project's packages, as after an install of its extra."""
    spark = next(
        (
            Path(item)
            for item in os.environ["PATH"].split(os.pathsep)
            if (Path(item).parent / "pyspark").is_dir()
        ),
        None,
    )
    if not spark or not shutil.which("java"):
        pytest.skip("pyspark or java is not installed; .ci/run installs pyspark")
    champion(project)
    # This also completes the environment.
    project.makes("score", "SINCE=2026-06-01", "UNTIL=2026-06-02")
    assert project.run("fetch-model").returncode == 0
    python(project, MONTH)
    both = {
        "PYTHONPATH": f"src{os.pathsep}{spark.parent}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(project.python),
    }
    result = json.loads(python(project, ON_SPARK, **both).splitlines()[-1])
    for what in ("checked", "rows"):
        assert result[what][0] == result[what][1], what
    here, there = (
        sorted(rows_of(project, project.path / name), key=lambda row: row["transaction_id"])
        for name in ("here.parquet", "spark.parquet")
    )
    assert here == there
    assert len(result["scores"]) == len(here) == 30_000
    for row in here:
        score, _, refused = result["scores"][row["transaction_id"]]
        assert score == pytest.approx(row["score"], abs=1e-6)
        assert refused is row["refused"] is None
