"""Workers whose versions differ from the flow's."""

from __future__ import annotations

from labelpress.worker_versions import version_skew

FLOW = {"labelpress": "0.1.0", "polars": "1.30.0", "python": "3.11.7.final.0", "numpy": "2.4.6"}


def test_equal_versions_are_no_skew():
    """Whatever else is installed."""
    assert version_skew(FLOW, {"tcp://a": FLOW | {"tornado": "6"}, "tcp://b": FLOW}) is None


def test_patches_of_python_and_minors_of_numpy_may_differ():
    """What travels does not depend on them."""
    near = FLOW | {"python": "3.11.2.final.0", "numpy": "2.1.0"}

    assert version_skew(FLOW, {"tcp://a": near}) is None


def test_each_differing_package_is_named_with_versions_and_worker():
    """And one that is not installed at all."""
    other = FLOW | {"polars": "1.29.0", "python": "3.12.1.final.0", "labelpress": None}

    assert version_skew(FLOW, {"tcp://a": FLOW, "tcp://b": other}) == (
        "labelpress is 0.1.0 in the flow, but not installed on tcp://b; "
        "polars is 1.30.0 in the flow, but 1.29.0 on tcp://b; "
        "python is 3.11.7 in the flow, but 3.12.1 on tcp://b"
    )


def test_of_many_differing_workers_three_are_named():
    """The others are counted."""
    workers = {f"tcp://{n}": FLOW | {"polars": "1.0.0"} for n in range(5)}

    found = version_skew(FLOW, workers)

    assert found is not None
    assert found.endswith("1.0.0 on tcp://2, and 2 more workers differ")
