"""How every peer in Python is timed."""
import time


def measure(name, peer, threads, tokens, step, seconds=4.0):
    """Runs three steps to warm up, then at least five and at least so many seconds, and prints
    name,peer,threads,median_ms,min_ms,tokens_per_s."""
    for _ in range(3):
        step()
    times, began = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - began < seconds and len(times) < 2000):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    times.sort()
    median = times[len(times) // 2]
    print(f"{name},{peer},{threads},{median * 1e3:.3f},{times[0] * 1e3:.3f},{tokens / median:.0f}", flush=True)
