"""How every peer in Python is timed."""
import os
import sys
import time


def arguments():
    """Returns the number of threads and the names of the workloads to run, an empty list for all of them."""
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        print(f"usage: {sys.argv[0]} THREADS [NAME...]", file=sys.stderr)
        sys.exit(2)
    return int(sys.argv[1]), sys.argv[2:]


def run(workloads, names):
    """Calls the functions of the workloads with these names, all of them if there are none."""
    for name, work in workloads.items():
        if not names or name in names:
            work()


def use_processors(threads):
    """Restricts this process to as many processors as it has threads, for frameworks that start a thread for each.

    Call it before importing the framework.
    """
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))


def measure(name, peer, threads, tokens, step, seconds=4.0, compiles=False):
    """Runs three steps to warm up, then at least five steps and for at least `seconds`, and prints
    name,peer,threads,median_ms,min_ms,tokens_per_s.

    If the peer compiles the step, a seventh field has the seconds that compiling took: those of the first three steps
    less three times the median. The environment variable SECONDS_PER overrides `seconds`, to try a script out.
    """
    seconds = float(os.environ.get("SECONDS_PER", seconds))
    began = time.perf_counter()
    for _ in range(3):
        step()
    warm_up = time.perf_counter() - began
    times, began = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - began < seconds and len(times) < 2000):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    times.sort()
    median = times[len(times) // 2]
    compiling = f",{max(warm_up - 3 * median, 0):.1f}" if compiles else ""
    line = f"{name},{peer},{threads},{median * 1e3:.3f},{times[0] * 1e3:.3f},{tokens / median:.0f}"
    print(line + compiling, flush=True)
