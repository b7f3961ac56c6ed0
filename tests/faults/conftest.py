import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mibench.errors import MibenchError
from mibench.store import Store

MIBENCH = Path(sys.executable).with_name("mibench")

GOOD = '''
import random
import time

import numpy as np


def slow(x, y):
    time.sleep(0.1)
    return float(np.mean(x[:, 0] * y[:, 0]))


def global_numbers(x, y):
    """Draws from the global random numbers, which the harness seeds."""
    return random.random() + np.random.normal()


def witness(x, y):
    """A number that follows from all that a cell may find changed by the one before it."""
    import decimal
    import os
    import signal
    import sys
    import warnings

    import torch

    found = (
        os.getcwd(), sorted(os.environ.items()), os.umask(0o022), list(sys.path), sys.stdout is sys.__stdout__,
        str(np.geterr()), sys.getrecursionlimit(), decimal.getcontext().prec, signal.getsignal(signal.SIGTERM) is None,
        str(signal.getsignal(signal.SIGTERM)), signal.getitimer(signal.ITIMER_REAL)[0] > 0, len(warnings.filters),
        torch.get_num_threads(), str(torch.get_default_dtype()), torch.is_grad_enabled(), random.random(),
        np.random.normal(), float(torch.rand(())), sys.gettrace() is None,
    )
    os.umask(0o022)
    return float(int.from_bytes(__import__("hashlib").sha256(repr(found).encode()).digest()[:6], "big"))
'''

BAD = '''
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np

import mibench

kept = []


def ignores_signals(x, y):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(60)


def starts_a_session(x, y):
    """A grandchild in a session of its own, whose parent is gone."""
    program = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\nopen('pid', 'w').write(str(os.getpid()))\\n"
    subprocess.run([sys.executable, "-c", program + "time.sleep(60)"])
    time.sleep(60)


def leaves_a_process(x, y):
    kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
    open("pid", "w").write(str(kept[-1].pid))
    return 1.0


def returns_twice(x, y):
    os.fork()
    return 1.0


def prints_much(x, y):
    line = b"x" * 2**20 + b"\\n"
    for _ in range(300):
        os.write(1, line)
        os.write(2, line)
    return 1.0


def closes_its_output(x, y):
    os.closerange(1, 3)
    sys.stdout = None
    return 1.0


def moves_away(x, y):
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    os.umask(0o077)
    return 1.0


def sets_the_environment(x, y):
    os.environ.clear()
    os.environ["HOME"] = "/nowhere"
    return 1.0


def sets_globals(x, y):
    import decimal
    import gc
    import random
    import warnings

    import torch

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    torch.set_num_threads(7)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    decimal.getcontext().prec = 3
    sys.setrecursionlimit(200)
    sys.path.insert(0, "/nowhere")
    sys.settrace(lambda *args: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    gc.disable()
    sys.stdout = open(os.devnull, "w")
    return 1.0


def leaks(x, y):
    kept.append(np.ones(50_000_000))
    return 1.0


def leaves_a_thread(x, y):
    def spoil():
        while True:
            np.random.seed(1)

    threading.Thread(target=spoil, daemon=True).start()
    return 1.0


def child_eats(x, y):
    program = "import time\\nhoard = [bytearray(b'x' * 2**20) for _ in range(2000)]\\ntime.sleep(60)"
    subprocess.run([sys.executable, "-c", program])
    return 1.0


def eats_while_it_holds_the_lock(x, y):
    return float(len(b"x" * 3_000_000_000 + b"y"))


def killed_at_first(x, y):
    if not os.path.exists("tried"):
        open("tried", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def dies_and_leaves_a_copy(x, y):
    if os.fork() == 0:
        time.sleep(60)
    os._exit(1)


def dies_and_leaves_a_program(x, y):
    open("pid", "w").write(str(subprocess.Popen(["sleep", "60"]).pid))
    os._exit(1)


def ends_by_an_odd_signal(x, y):
    os.kill(os.getpid(), 40)


def closes_its_stream(x, y):
    sys.stdout.close()
    return 1.0


def leaves_a_busy_pool(x, y):
    from concurrent.futures import ThreadPoolExecutor

    kept.append(ThreadPoolExecutor(1))
    kept[-1].submit(time.sleep, 60)
    return 1.0


def leaves_a_timer(x, y):
    signal.setitimer(signal.ITIMER_PROF, 0.05)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return 1.0


class Warms(mibench.Estimator):
    """Changes things before the first cell."""

    def warm_up(self, device):
        np.seterr(all="raise")
        os.chdir("/")
        sys.setrecursionlimit(150)

    def estimate(self, x, y, seed):
        return 1.0


class Refuses(mibench.Estimator):
    def warm_up(self, device):
        raise ValueError("bad \\udcff\\0\\n")

    def estimate(self, x, y, seed):
        return 1.0


class Heavy(mibench.BatchEstimator):
    """Out of memory above one replicate, with what each call made still in its frame."""

    def estimate_batch(self, x, y, seeds, device):
        alive = [thing for thing in made if thing() is not None]
        if alive:
            raise ValueError("an earlier call still holds its memory")
        hoard = np.ones(10)
        made.append(weakref.ref(hoard))
        if len(x) > 1:
            raise MemoryError("too many")
        return [1.0]


made = []


def killed_always(x, y):
    os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.py"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    return path


@pytest.fixture
def start(tmp_path):
    """Start the command in an empty folder."""

    def call(*words, **options):
        return subprocess.Popen([MIBENCH, *map(str, words)], cwd=tmp_path, text=True, **options)

    return call


@pytest.fixture
def records(tmp_path):
    """Read a store in the empty folder."""

    def read(name):
        store = Store.open(tmp_path / name, create=False)
        frame = store.to_frame()
        store.close()
        return frame

    return read


@pytest.fixture
def wait_for(records):
    """Wait until a store holds so many records."""

    def wait(name, rows):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(MibenchError):  # which is about to be made
                if len(records(name)) >= rows:
                    return
            time.sleep(0.05)
        raise AssertionError(f"no {rows} records in {name}")

    return wait
