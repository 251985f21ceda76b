"""What OpenLineage is told of a campaign's files; a DAG run that tells it is in tests/system."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, ObjectStoragePath, task

from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.hiding import Hidden
from airflow_provider_ccc.lineage import dataset
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import CALLEE, CANDIDATE


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/data/callees.csv", ("file", "/data/callees.csv")),
        (Path("/data/out"), ("file", "/data/out")),
        ("out", ("file", str(Path.cwd() / "out"))),
        ("file:///data/callees.csv", ("file", "/data/callees.csv")),
        (ObjectStoragePath("file:///data/callees.csv"), ("file", "/data/callees.csv")),
        ("s3://bucket/a/b.csv", ("s3://bucket", "a/b.csv")),
        ("s3://aws_default@bucket/a/b.csv", ("s3://bucket", "a/b.csv")),
        ("s3a://key:secret@bucket/a", ("s3://bucket", "a")),
        ("s3://bucket/a#1/x.csv", ("s3://bucket", "a#1/x.csv")),
        ("gcs://conn@bucket/a", ("gs://bucket", "a")),
        ("oss://conn@bucket/a/", ("oss://bucket", "a")),
        ("https://user:secret@host:8443/a.csv?signature=secret#secret", ("https://host:8443", "a.csv")),
        (ObjectStoragePath("s3://conn@bucket/a.csv"), ("s3://bucket", "a.csv")),
        ("", None),
        (None, None),
        ([CALLEE], None),
    ],
)
def test_files_are_named_as_openlineage_names_them(path, named):
    assert dataset(path) == named


@pytest.fixture
def simulator(connection):
    with running(SimulatorSettings()) as started:
        connection(host=started.url)
        yield started


def names(datasets):
    return [(each.namespace, each.name) for each in datasets]


def batch(callees, output_path="s3://c@b/out"):
    return CccPickOutboundNumbersBatchOperator(
        task_id="pick", callees=callees, output_path=output_path, candidate_numbers=[CANDIDATE]
    )


@pytest.mark.parametrize(
    ("callees", "inputs"),
    [
        ("s3://conn@bucket/callees.parquet", [("s3://bucket", "callees.parquet")]),
        ("/data/callees", [("file", "/data/callees")]),
        ({"path": "/data/callees.csv", "start": 0, "stop": 2}, [("file", "/data/callees.csv")]),
        ([CALLEE], []),
        (Hidden([CALLEE], "1 callees"), []),
        # Wrong, and refused when the task runs; OpenLineage is asked before.
        (CALLEE, []),
        (f"['{CALLEE}', '13800138000']", []),
        (None, []),
    ],
)
def test_a_list_of_callees_is_no_dataset(callees, inputs):
    lineage = batch(callees).get_openlineage_facets_on_start()
    assert (names(lineage.inputs), names(lineage.outputs)) == (inputs, [("s3://b", "out")])


def counted(lineage):
    """Give the rows read, and the rows and files written."""
    (read,), (written,) = lineage.inputs, lineage.outputs
    statistics = written.outputFacets["outputStatistics"]
    return read.inputFacets["inputStatistics"].rowCount, statistics.rowCount, statistics.fileCount


def test_a_shared_campaign_is_counted_by_batches_and_as_a_whole(simulator, tmp_path):
    callees, out = tmp_path / "callees.csv", tmp_path / "out"
    callees.write_text("callee\n13800138000\n13800138001\n13800138000\n", encoding="utf-8")
    named = [("file", str(callees))], [("file", str(out))]
    batches = split_callees(callees, batch_size=2)
    merge = CccMergeManifestsOperator(task_id="merge", output_path=out, batches=batches)
    seen = []
    for operator in (*(batch(each, out) for each in batches), merge):
        for _ in range(2):  # what is complete already is counted too
            operator.execute({})
            lineage = operator.get_openlineage_facets_on_complete(None)
            assert (names(lineage.inputs), names(lineage.outputs)) == named
            seen.append(counted(lineage))
    assert seen == [(2, 2, 1)] * 2 + [(1, 0, 1)] * 2 + [(3, 2, 2)] * 2


def test_a_task_that_failed_has_datasets_and_no_counts(connection, tmp_path):
    operator = batch("/nowhere/callees.csv", tmp_path)
    with pytest.raises(AirflowFailException):
        operator.execute({})
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert (names(lineage.inputs), names(lineage.outputs)) == (
        [("file", "/nowhere/callees.csv")],
        [("file", str(tmp_path))],
    )
    assert lineage.outputs[0].outputFacets == lineage.inputs[0].inputFacets == {}


def test_a_function_that_returns_a_path_is_known_when_it_ran(simulator, tmp_path):
    callees = tmp_path / "callees.csv"
    callees.write_text("callee\n13800138000\n", encoding="utf-8")

    def tonight():
        return str(callees)

    with DAG("d", schedule=None) as dag:
        task.ccc_pick(output_path=str(tmp_path), candidate_numbers=[CANDIDATE])(tonight)()
    (operator,) = dag.tasks
    assert operator.get_openlineage_facets_on_start().inputs == []
    operator.execute({})
    assert names(operator.get_openlineage_facets_on_complete(None).inputs) == [("file", str(callees))]
