"""The workloads in JAX: a training step is one jitted function, its loop a lax.scan, its buffers donated.

    python jax_bench.py THREADS [NAME...]

UNROLL=4 unrolls the scans by four steps. Prints name,peer,threads,median_ms,min_ms,tokens_per_s,compile_s.
"""
import os
from functools import partial

from timing import arguments, measure, run, use_processors

threads, only = arguments()
use_processors(threads)
if threads == 1:
    one_thread = " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + one_thread

import jax
import jax.numpy as jnp
from sizes import LEARNING_RATE, MAX_NORM, WORKLOADS, check_weights, ids, lengths, rng

scan = partial(jax.lax.scan, unroll=int(os.environ.get("UNROLL", "1")))


def weights(*shape):
    return jnp.asarray(rng.normal(0, 0.05, shape), jnp.float32)


def dense(inputs, outputs):
    return {"w": weights(inputs, outputs), "b": jnp.zeros(outputs)}


def recurrent(inputs, hidden_size, gates):
    return {"wx": weights(inputs, gates * hidden_size), "wh": weights(hidden_size, gates * hidden_size),
            "b": jnp.zeros(gates * hidden_size)}


def gru_weights(inputs, hidden_size):
    return recurrent(inputs, hidden_size, 3) | {"bh": jnp.zeros(3 * hidden_size)}


def apply(p, x):
    return x @ p["w"] + p["b"]


def zeros_state(p, xs):
    """The state of zeros for `xs [time, batch, ..]`."""
    return jnp.zeros((xs.shape[1], p["wh"].shape[0]))


def cross_entropy(logits, targets):
    right = jnp.take_along_axis(logits, targets[..., None], -1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, -1) - right)


def rnn(p, xs):
    """All inputs are multiplied before the loop."""
    def step(h, x):
        h = jnp.tanh(x + h @ p["wh"])
        return h, h

    return scan(step, zeros_state(p, xs), xs @ p["wx"] + p["b"])[1]


def rnn_custom(p, xs):
    """Operation by operation, as a user writes it."""
    def step(h, x):
        h = jnp.tanh(x @ p["wx"] + h @ p["wh"] + p["b"])
        return h, h

    return scan(step, zeros_state(p, xs), xs)[1]


def lstm_state(z, c):
    i, f, g, o = jnp.split(z, 4, 1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def lstm_custom(p, xs):
    def step(state, x):
        h, c = lstm_state(x @ p["wx"] + state[0] @ p["wh"] + p["b"], state[1])
        return (h, c), h

    return scan(step, (zeros_state(p, xs),) * 2, xs)[1]


def lstm(p, xs):
    def step(state, x):
        h, c = lstm_state(x + state[0] @ p["wh"], state[1])
        return (h, c), h

    return scan(step, (zeros_state(p, xs),) * 2, xs @ p["wx"] + p["b"])[1]


def last_of_lstm(p, xs, mask):
    """The last h of each row: where `mask [time, batch, 1]` is false, a row keeps its state."""
    def step(state, now):
        x, valid = now
        h, c = lstm_state(x + state[0] @ p["wh"], state[1])
        return (jnp.where(valid, h, state[0]), jnp.where(valid, c, state[1])), None

    return scan(step, (zeros_state(p, xs),) * 2, (xs @ p["wx"] + p["b"], mask))[0][0]


def gru_state(p, x, h):
    (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, 1), jnp.split(h @ p["wh"] + p["bh"], 3, 1)
    r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + r * hn)
    return (1 - z) * n + z * h


def gru(p, xs, reverse=False):
    def step(h, x):
        h = gru_state(p, x, h)
        return h, h

    return scan(step, zeros_state(p, xs), xs @ p["wx"] + p["b"], reverse=reverse)


def clipped(gradients):
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
    return jax.tree.map(lambda g: g * jnp.minimum(1.0, MAX_NORM / (norm + 1e-6)), gradients)


def adam(params, gradients, m, v, t):
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)

    def update(p, m, v):
        return p - LEARNING_RATE * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return jax.tree.map(update, params, m, v), m, v, t


def train(name, tokens, params, loss):
    """Times training steps; `loss` is a function of the parameters."""
    check_weights(name, "JAX", [p.shape for p in jax.tree.leaves(params)])

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def go(params, m, v, t):
        value, gradients = jax.value_and_grad(loss)(params)
        return *adam(params, clipped(gradients), m, v, t), value

    state = [params, jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params), jnp.float32(0)]

    def step():
        *state[:], value = go(*state)
        jax.block_until_ready((state, value))

    measure(name, "jax", threads, tokens, step, compiles=True)


def language_model(name, layer):
    size = WORKLOADS[name]
    xs, ys = (ids(size.vocabulary, size.time, size.batch) for _ in range(2))
    inputs = [size.embedding_size] + [size.hidden_size] * (size.layers - 1)
    params = {"embedding": weights(size.vocabulary, size.embedding_size),
              "layers": [recurrent(of, size.hidden_size, size.gates) for of in inputs],
              "readout": dense(size.hidden_size, size.vocabulary)}

    def loss(p):
        hs = p["embedding"][xs]
        for q in p["layers"]:
            hs = layer(q, hs)
        return cross_entropy(apply(p["readout"], hs), ys)

    train(name, size.batch * size.time, params, loss)


def sentiment():
    size = WORKLOADS["sentiment"]
    xs, labels, long = ids(size.vocabulary, size.time, size.batch), ids(size.classes, size.batch), lengths(size)
    times = jnp.arange(size.time)[:, None]
    mask = (times < long)[..., None]
    reversed_times = jnp.where(times < long, long - 1 - times, times)[..., None]
    params = {"embedding": weights(size.vocabulary, size.embedding_size),
              "forward": recurrent(size.embedding_size, size.hidden_size, 4),
              "backward": recurrent(size.embedding_size, size.hidden_size, 4),
              "readout": dense(2 * size.hidden_size, size.classes)}

    def loss(p):
        hs = p["embedding"][xs]
        last = last_of_lstm(p["forward"], hs, mask)
        first = last_of_lstm(p["backward"], jnp.take_along_axis(hs, reversed_times, 0), mask)
        return cross_entropy(apply(p["readout"], jnp.concatenate([last, first], 1)), labels)

    train("sentiment", int(long.sum()), params, loss)


def gru_seq2seq_attn():
    size = WORKLOADS["gru_seq2seq_attn"]
    xs, ys, targets = (ids(size.vocabulary, size.time, size.batch) for _ in range(3))
    memory_size, wide = 2 * size.encoder_size, size.decoder_size
    params = {"source": weights(size.vocabulary, size.embedding_size),
              "target": weights(size.vocabulary, size.embedding_size),
              "forward": gru_weights(size.embedding_size, size.encoder_size),
              "backward": gru_weights(size.embedding_size, size.encoder_size),
              "bridge": dense(memory_size, wide),
              "key": weights(memory_size, wide), "query": dense(wide, wide), "score": weights(wide, 1),
              "decoder": gru_weights(size.embedding_size + memory_size, wide),
              "readout": dense(wide + memory_size, size.vocabulary)}

    def loss(p):
        source = p["source"][xs]
        last, forward = gru(p["forward"], source)
        first, backward = gru(p["backward"], source, reverse=True)
        memory = jnp.concatenate([forward, backward], 2)
        keys = memory @ p["key"]

        def step(h, x):
            scores = (jnp.tanh(keys + apply(p["query"], h)) @ p["score"])[..., 0]
            context = jnp.einsum("tb,tbd->bd", jax.nn.softmax(scores, 0), memory)
            x = jnp.concatenate([x, context], 1)
            h = gru_state(p["decoder"], x @ p["decoder"]["wx"] + p["decoder"]["b"], h)
            return h, jnp.concatenate([h, context], 1)

        h = jnp.tanh(apply(p["bridge"], jnp.concatenate([last, first], 1)))
        return cross_entropy(apply(p["readout"], scan(step, h, p["target"][ys])[1]), targets)

    train("gru_seq2seq_attn", size.batch * size.time, params, loss)


def infer_step():
    size = WORKLOADS["infer_step"]
    params = {"embedding": weights(size.vocabulary, size.embedding_size),
              "rnn": recurrent(size.embedding_size, size.hidden_size, 4),
              "readout": dense(size.hidden_size, size.vocabulary)}
    check_weights("infer_step", "JAX", [p.shape for p in jax.tree.leaves(params)])

    @jax.jit
    def go(h, c, last):
        # The parameters are constants of the compiled function.
        p, x = params["rnn"], params["embedding"][last]
        h, c = lstm_state(x @ p["wx"] + h @ p["wh"] + p["b"], c)
        return h, c, jnp.argmax(apply(params["readout"], h), -1)

    state = [jnp.zeros((1, size.hidden_size)), jnp.zeros((1, size.hidden_size)), jnp.zeros(1, jnp.int32)]

    def step():
        state[:] = jax.block_until_ready(go(*state))

    measure("infer_step", "jax", threads, 1, step, seconds=2.0, compiles=True)


run({
    "rnn_small": lambda: language_model("rnn_small", rnn),
    "rnn_small_custom": lambda: language_model("rnn_small_custom", rnn_custom),
    "lstm_custom_256": lambda: language_model("lstm_custom_256", lstm_custom),
    "lstm_lm_medium": lambda: language_model("lstm_lm_medium", lstm),
    "sentiment": sentiment,
    "gru_seq2seq_attn": gru_seq2seq_attn,
    "infer_step": infer_step,
}, only)
