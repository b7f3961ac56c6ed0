import threading
import time

import pytest

from mibench.estimators.parallel import over_ranges, threads, together


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize(("count", "grain"), [(0, 1), (1, 1), (7, 1), (1000, 300), (1000, 1)])
def test_ranges_cover_everything_once(workers, count, grain):
    done = []
    over_ranges(lambda begin, end: done.append((begin, end)), count, workers, grain)
    assert sorted(i for begin, end in done for i in range(begin, end)) == list(range(count))
    assert all(end - begin >= min(grain, count) for begin, end in done)


def test_results_keep_their_order_whoever_was_first():
    assert together(lambda i: time.sleep(0.01 * (5 - i)) or i**2, range(5), 3) == [0, 1, 4, 9, 16]


def test_other_threads_help():
    meeting = threading.Barrier(2, timeout=10)  # which one thread alone would wait at for good
    together(lambda i: meeting.wait(), range(2), 2)


def test_work_may_use_threads_itself():
    assert together(lambda i: sum(together(lambda j: i * j, range(4), 2)), range(6), 2) == [6 * i for i in range(6)]


def test_an_error_is_raised_and_ends_the_work():
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise ValueError("three")
        time.sleep(0.001)

    with pytest.raises(ValueError, match="three"):
        together(work, range(1000), 2)
    assert len(begun) < 100


def test_the_number_of_threads_can_be_set():
    import subprocess
    import sys

    code = "from mibench.estimators.parallel import threads; print(threads())"
    environment = {"NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert threads() >= 1
