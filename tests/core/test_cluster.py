"""The cluster's ways to work: partition by partition, gathered on one worker, and in a chain."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from labelpress.cluster import open_cluster
from labelpress.errors import PartitionsFailedError, SourceError

NUMBERS = {f"part {number}": number for number in range(9)}


def squared(number, power=2):
    """Read one item."""
    return number**power


def broken(number, power=2):
    """Read one item, unless it is the fifth."""
    if number == 5:
        raise SourceError("the fifth is damaged")
    return squared(number, power)


def listed(numbers, *more):
    """Finish with everything that was read."""
    return (*numbers, *more)


def appended(state, number, sign):
    """Carry the state through one block."""
    return f"{state}{sign}{number}"


def test_what_is_gathered_comes_in_the_order_of_the_items(cluster):
    """Whichever worker is quicker."""
    cubes = cluster.gather(squared, listed, NUMBERS, "end", reading=(3,))

    assert cubes == (*[number**3 for number in range(9)], "end")


def test_a_chain_goes_through_the_items_one_after_another(cluster):
    """The state is never touched by two blocks at once."""
    carried = cluster.chain(squared, appended, NUMBERS, "", "+")

    assert carried == "+0+1+4+9+16+25+36+49+64"


def test_a_chain_without_items_ends_as_it_began(cluster):
    """Nothing is read, nothing is learnt."""
    assert cluster.chain(squared, appended, {}, "start", "+") == "start"


def test_what_cannot_be_read_cannot_be_gathered(cluster):
    """The reason comes through, whatever is made of the rest."""
    with pytest.raises(PartitionsFailedError, match="the fifth is damaged"):
        cluster.gather(broken, listed, NUMBERS)


def test_what_cannot_be_read_breaks_a_chain(cluster):
    """No step is made beyond it."""
    with pytest.raises(PartitionsFailedError, match="the fifth is damaged"):
        cluster.chain(broken, appended, NUMBERS, "", "+")


def test_what_was_used_is_counted(cluster):
    """Nine reads and one finish are ten pieces of work; a chain is one."""
    cluster.take_usage()
    cluster.gather(squared, listed, NUMBERS)
    assert len(cluster.take_usage().table) == 10

    cluster.chain(squared, appended, NUMBERS, "", "+")
    assert len(cluster.take_usage().table) == 1


def blas_threads(_item: object = None) -> set[int]:
    """Multiply, and return how many threads each BLAS of this process may use."""
    scipy.linalg.lu(np.eye(3) @ np.eye(3))
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_cluster_of_threads_has_one_blas_thread_each():
    """As in worker processes: threads of BLAS beside those of Dask wait for each other."""
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with open_cluster(processes=False, workers=1) as cluster:
            inside = cluster.map(blas_threads, {"only": None})["only"]

        assert (before, inside, blas_threads()) == ({2}, {1}, {2})
