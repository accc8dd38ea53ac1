"""The workloads rnn_small_custom and sentiment in DyNet, which computes on one thread.

    pip install dynet38 numpy
    python dynet_bench.py 1 [NAME...]

A minibatch is an expression with a batch dimension, as DyNet's documentation advises. Prints
name,peer,threads,median_ms,min_ms,tokens_per_s.
"""
import sys

import dynet_config

dynet_config.set(mem=1024, random_seed=1)

import dynet as dy
import numpy as np
from sizes import LEARNING_RATE, MAX_NORM, WORKLOADS, check_weights, ids, lengths
from timing import arguments, measure, run

threads, only = arguments()
if threads != 1:
    print("DyNet computes on one thread", file=sys.stderr)
    sys.exit()


def train(name, tokens, params, loss):
    """Times training steps; `loss` makes the expression of the loss."""
    check_weights(name, "DyNet", [p.shape() for p in params.parameters_list() + params.lookup_parameters_list()])
    trainer = dy.AdamTrainer(params, LEARNING_RATE)
    trainer.set_clip_threshold(MAX_NORM)
    # Adam on all word vectors at each step, as everywhere.
    trainer.set_sparse_updates(False)

    def step():
        dy.renew_cg()
        value = loss()
        value.forward()
        value.backward()
        trainer.update()

    measure(name, "dynet", threads, tokens, step)


def rnn_small_custom():
    size = WORKLOADS["rnn_small_custom"]
    params = dy.ParameterCollection()
    embedding = params.add_lookup_parameters((size.vocabulary, size.embedding_size))
    wx = params.add_parameters((size.hidden_size, size.embedding_size))
    wh = params.add_parameters((size.hidden_size, size.hidden_size))
    b = params.add_parameters(size.hidden_size, init=0)
    readout = params.add_parameters((size.vocabulary, size.hidden_size))
    bias = params.add_parameters(size.vocabulary, init=0)
    xs, ys = (ids(size.vocabulary, size.time, size.batch).tolist() for _ in range(2))
    targets = [word for words in ys for word in words]

    def loss():
        h, hs = dy.zeros(size.hidden_size, batch_size=size.batch), []
        for words in xs:
            x = dy.lookup_batch(embedding, words)
            h = dy.tanh(dy.affine_transform([b, wx, x, wh, h]))
            hs.append(h)
        logits = dy.affine_transform([bias, readout, dy.concatenate_to_batch(hs)])
        return dy.sum_batches(dy.pickneglogsoftmax_batch(logits, targets)) / len(targets)

    train("rnn_small_custom", size.batch * size.time, params, loss)


class Lstm:
    def __init__(self, params, input_size, hidden_size):
        self.hidden_size = hidden_size
        self.wx = params.add_parameters((4 * hidden_size, input_size))
        self.wh = params.add_parameters((4 * hidden_size, hidden_size))
        self.b = params.add_parameters(4 * hidden_size, init=0)

    def last(self, xs, counts):
        """Returns the last state of each row; `counts[t]` of them, the first, are at least t + 1 steps long."""
        h, c, ends = *(dy.zeros(self.hidden_size, batch_size=counts[0]) for _ in range(2)), []
        for x, count, following in zip(xs, counts, [*counts[1:], 0]):
            gates = dy.vanilla_lstm_gates(x, h, self.wx, self.wh, self.b)
            c = dy.vanilla_lstm_c(c, gates)
            h = dy.vanilla_lstm_h(c, gates)
            if following < count:
                ends.append(dy.pick_batch_elems(h, range(following, count)))
                if following:
                    h, c = (dy.pick_batch_elems(part, range(following)) for part in (h, c))
        return dy.concatenate_to_batch(ends[::-1])


def sentiment():
    size = WORKLOADS["sentiment"]
    params = dy.ParameterCollection()
    embedding = params.add_lookup_parameters((size.vocabulary, size.embedding_size))
    forward, backward = (Lstm(params, size.embedding_size, size.hidden_size) for _ in range(2))
    readout = params.add_parameters((size.classes, 2 * size.hidden_size))
    bias = params.add_parameters(size.classes, init=0)
    # The longest first, so that the rows that still go on are always the first ones.
    long = np.sort(lengths(size))[::-1].tolist()
    counts = [sum(length > t for length in long) for t in range(size.time)]
    xs = ids(size.vocabulary, size.batch, size.time).tolist()
    labels = ids(size.classes, size.batch).tolist()
    forth = [[xs[row][t] for row in range(count)] for t, count in enumerate(counts)]
    back = [[xs[row][long[row] - 1 - t] for row in range(count)] for t, count in enumerate(counts)]

    def loss():
        last, first = (lstm.last([dy.lookup_batch(embedding, words) for words in order], counts)
                       for lstm, order in [(forward, forth), (backward, back)])
        logits = dy.affine_transform([bias, readout, dy.concatenate([last, first])])
        return dy.sum_batches(dy.pickneglogsoftmax_batch(logits, labels)) / size.batch

    train("sentiment", sum(long), params, loss)


run({"rnn_small_custom": rnn_small_custom, "sentiment": sentiment}, only)
