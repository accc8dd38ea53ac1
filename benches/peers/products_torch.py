"""Matrix products of the workloads' shapes in PyTorch.

    python products_torch.py THREADS

benches/products.csv has the shapes. Prints m,k,n,transposed,peer,threads,GFLOP/s, of the fastest of many batches of
calls in a second.
"""
import csv
import os
import time
from pathlib import Path

import torch
from timing import arguments

threads, _ = arguments()
torch.set_num_threads(threads)
LENGTH = float(os.environ.get("SECONDS_PER", 1.0))


def seconds(work):
    """Returns the seconds that a call of `work` takes in the fastest of batches of calls."""
    work()
    begin, best = time.perf_counter(), float("inf")
    while time.perf_counter() - begin < LENGTH:
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < 0.002:
            work()
            calls += 1
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def matrix(rows, columns, transposed):
    """Returns a random matrix, which lies in memory as its transpose if `transposed`."""
    return torch.randn(columns, rows).T if transposed else torch.randn(rows, columns)


with open(Path(__file__).parent.parent / "products.csv") as file, torch.inference_mode():
    for row in csv.DictReader(file):
        m, k, n = (int(row[size]) for size in "mkn")
        a, b = matrix(m, k, row["transposed"] == "A"), matrix(k, n, row["transposed"] == "B")
        product = torch.empty(m, n)
        speed = 2 * m * k * n / seconds(lambda: torch.mm(a, b, out=product)) / 1e9
        print(f"{m},{k},{n},{row['transposed']},torch,{threads},{speed:.1f}", flush=True)
