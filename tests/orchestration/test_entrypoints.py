"""The flows as Prefect loads and shows them."""

from __future__ import annotations

import pytest
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

ENTRYPOINTS = (
    "flows/relabel.py:relabel",
    "flows/promote.py:promote",
    "flows/rollback.py:rollback",
    "flows/rollback.py:lift",
    "flows/retrain.py:retrain",
    "flows/review.py:review",
    "flows/audit.py:audit",
    "flows/collect_answers.py:collect_answers",
    "flows/maintain.py:maintain",
    "flows/watch.py:watch",
)


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_an_entrypoint_loads_without_a_placeholder(entrypoint):
    """An import error would hide behind one."""
    flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)

    assert flow.name == entrypoint.rpartition(":")[2].replace("_", "-")


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_the_form_is_flat_and_explained(entrypoint):
    """At most eight fields, each with a help text and none nested."""
    flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)

    fields = parameter_schema(flow.fn).model_dump()["properties"]

    assert len(fields) <= 8
    assert all(field.get("description") for field in fields.values())
    assert all(field["type"] in {"string", "integer", "boolean"} for field in fields.values())
