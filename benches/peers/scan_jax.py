"""The workloads scan_min_gru and delta_rule in JAX. usage: scan_jax.py THREADS [NAME...]

Each is a training step of a language model with 64 symbols and one cell of width 256: forward, backward, clipping and
Adam, in one compiled function. The cell runs by lax.scan and, for minGRU, by lax.associative_scan too. Prints
name,peer,threads,median_ms,min_ms,tokens_per_s.
"""
import os
import sys
from functools import partial

threads, only = int(sys.argv[1]), sys.argv[2:]
cpus = sorted(os.sched_getaffinity(0))[:threads]
os.sched_setaffinity(0, set(cpus))
if threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
from timing import measure

SYMBOLS, WIDTH, HEADS = 64, 256, 4
rng = np.random.default_rng(0)


def weights(*shape):
    return jnp.asarray(rng.uniform(-1, 1, shape).astype(np.float32) / 16)


def model(cell):
    return {"embedding": weights(SYMBOLS, WIDTH), "readout": weights(WIDTH, SYMBOLS), "bias": jnp.zeros(SYMBOLS), **cell}


def min_gru(p, x, scan):
    z = jax.nn.sigmoid(x @ p["weight_z"] + p["bias_z"])
    candidate = x @ p["weight_h"] + p["bias_h"]
    candidate = jnp.where(candidate >= 0, candidate + 0.5, jax.nn.sigmoid(candidate))
    return scan(1 - z, z * candidate)


def by_steps(a, b):
    def step(h, ab):
        h = ab[0] * h + ab[1]
        return h, h

    return jax.lax.scan(step, jnp.zeros_like(b[0]), (a, b))[1]


def by_tree(a, b):
    return jax.lax.associative_scan(lambda l, r: (l[0] * r[0], r[0] * l[1] + r[1]), (a, b))[1]


def normalized(x):
    return x / jnp.sqrt(jnp.sum(x * x, -1, keepdims=True) + 1e-12)


def delta_rule(p, x):
    time_steps, batch, _ = x.shape
    heads = lambda y: y.reshape(time_steps, batch, HEADS, -1)
    q, k = (normalized(jax.nn.silu(heads(x @ p[name]))) for name in ("weight_q", "weight_k"))
    v = jax.nn.silu(heads(x @ p["weight_v"]))
    beta = jax.nn.sigmoid(x @ p["weight_beta"])
    alpha = jnp.exp(-jnp.exp(p["a_log"]) * jax.nn.softplus(x @ p["weight_alpha"] + p["bias_alpha"]))

    def step(s, now):
        q, k, v, beta, alpha = now
        s = s * alpha[..., None, None]
        change = beta[..., None] * (v - jnp.einsum("bhvk,bhk->bhv", s, k))
        s = s + change[..., None] * k[..., None, :]
        return s, jnp.einsum("bhvk,bhk->bhv", s, q)

    size = WIDTH // HEADS
    s = jnp.zeros((batch, HEADS, size, size))
    return jax.lax.scan(step, s, (q, k, v, beta, alpha))[1].reshape(time_steps, batch, WIDTH)


def trainer(params, cell, batch, time_steps):
    x, y = (jnp.asarray(rng.integers(0, SYMBOLS, (time_steps, batch))) for _ in range(2))

    def loss(p):
        logits = cell(p, p["embedding"][x]) @ p["readout"] + p["bias"]
        right = jnp.take_along_axis(logits, y[..., None], -1)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, -1) - right)

    @jax.jit
    def step(p, m, v, t):
        g = jax.grad(loss)(p)
        norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
        g = jax.tree.map(lambda g: g * jnp.minimum(1.0, 5.0 / (norm + 1e-6)), g)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        update = lambda p, m, v: p - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return jax.tree.map(update, p, m, v), m, v, t

    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, zeros, jnp.float32(0))]

    def run_step():
        state[0] = jax.block_until_ready(step(*state[0]))

    return run_step


def run(name, peer, tokens, step):
    if not only or name in only:
        measure(name, peer, threads, tokens, step)


def gru_weights():
    matrices = {name: weights(WIDTH, WIDTH) for name in ("weight_z", "weight_h")}
    return model({**matrices, "bias_z": jnp.zeros(WIDTH), "bias_h": jnp.zeros(WIDTH)})


for peer, scan in [("jax lax.scan", by_steps), ("jax associative_scan", by_tree)]:
    cell = partial(min_gru, scan=scan)
    run("scan_min_gru", peer, 8 * 4096, trainer(gru_weights(), cell, 8, 4096))

delta = {name: weights(WIDTH, WIDTH) for name in ("weight_q", "weight_k", "weight_v")}
delta |= {name: weights(WIDTH, HEADS) for name in ("weight_beta", "weight_alpha")}
delta |= {"bias_alpha": jnp.zeros(HEADS), "a_log": jnp.zeros(HEADS)}
run("delta_rule", "jax lax.scan", 4 * 2048, trainer(model(delta), delta_rule, 4, 2048))
