"""The workloads in TensorFlow and Keras: a training step is one tf.function, its loop that of a keras.layers.RNN.

    python tf_bench.py THREADS [NAME...]

Each workload runs twice: as peer `tensorflow`, and as `tensorflow xla` with jit_compile=True. Prints
name,peer,threads,median_ms,min_ms,tokens_per_s,compile_s.
"""
import os

from timing import arguments, measure, run, use_processors

threads, only = arguments()
use_processors(threads)
os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", ABSL_MIN_LOG_LEVEL="3")

import keras
import tensorflow as tf
from keras import layers
from sizes import LEARNING_RATE, MAX_NORM, WORKLOADS, check_weights, ids, lengths

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
PEERS = {"tensorflow": False, "tensorflow xla": True}


class RnnCell(layers.Layer):
    """h' = tanh(x·W_x + h·W_h + b), as a user writes it."""

    def __init__(self, hidden_size):
        super().__init__()
        self.state_size = self.output_size = hidden_size

    def build(self, shape):
        self.wx = self.add_weight(shape=(shape[-1], self.state_size))
        self.wh = self.add_weight(shape=(self.state_size, self.state_size))
        self.b = self.add_weight(shape=(self.state_size,), initializer="zeros")

    def call(self, x, states):
        h = tf.tanh(x @ self.wx + states[0] @ self.wh + self.b)
        return h, [h]


class LstmCell(layers.Layer):
    """An LSTM as a user writes it from its equations."""

    def __init__(self, hidden_size):
        super().__init__()
        self.state_size, self.output_size = [hidden_size, hidden_size], hidden_size

    def build(self, shape):
        size = self.output_size
        self.wx = self.add_weight(shape=(shape[-1], 4 * size))
        self.wh = self.add_weight(shape=(size, 4 * size))
        self.b = self.add_weight(shape=(4 * size,), initializer="zeros")

    def call(self, x, states):
        h, c = states
        i, f, g, o = tf.split(x @ self.wx + h @ self.wh + self.b, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]


class AttendingCell(layers.Layer):
    """A GRU cell that sees its input and a context from additive attention; returns its state and the context."""

    def __init__(self, hidden_size, memory_size):
        super().__init__()
        self.state_size, self.output_size = hidden_size, hidden_size + memory_size
        self.gru = layers.GRUCell(hidden_size)
        self.query, self.score = layers.Dense(hidden_size), layers.Dense(1, use_bias=False)

    def build(self, shape):
        memory_size = self.output_size - self.state_size
        self.gru.build((None, shape[-1] + memory_size))
        self.query.build((None, self.state_size))
        self.score.build((None, None, self.state_size))

    def attend_to(self, memory, keys):
        self.memory, self.keys = memory, keys

    def call(self, x, states):
        scores = self.score(tf.tanh(self.keys + self.query(states[0])[:, None]))[..., 0]
        context = tf.reduce_sum(tf.nn.softmax(scores)[..., None] * self.memory, 1)
        h, states = self.gru(tf.concat([x, context], 1), states)
        return tf.concat([h, context], 1), states


class Seq2Seq(keras.Model):
    def __init__(self, size):
        super().__init__()
        self.source = layers.Embedding(size.vocabulary, size.embedding_size)
        self.target = layers.Embedding(size.vocabulary, size.embedding_size)
        encoder = layers.GRU(size.encoder_size, return_sequences=True, return_state=True)
        self.encoder = layers.Bidirectional(encoder)
        self.bridge = layers.Dense(size.decoder_size, activation="tanh")
        self.key = layers.Dense(size.decoder_size, use_bias=False)
        self.cell = AttendingCell(size.decoder_size, 2 * size.encoder_size)
        self.decoder = layers.RNN(self.cell, return_sequences=True)
        self.readout = layers.Dense(size.vocabulary)

    def call(self, inputs, training=False):
        xs, ys = inputs
        memory, last, first = self.encoder(self.source(xs))
        self.cell.attend_to(memory, self.key(memory))
        h = self.bridge(tf.concat([last, first], 1))
        return self.readout(self.decoder(self.target(ys), initial_state=[h]))


def cross_entropy(targets, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))


def check(name, peer, variables):
    # A GRU's two biases are one variable of rank 2.
    check_weights(name, peer, [(v.shape.num_elements(),) if v.name == "bias" else v.shape for v in variables])


def train(name, tokens, make, inputs, targets):
    """Times training steps of the model that `make` returns."""
    for peer, jit in PEERS.items():
        model = make()
        model(inputs)
        variables = model.trainable_variables
        check(name, peer, variables)
        optimizer = keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=MAX_NORM)
        optimizer.build(variables)

        @tf.function(jit_compile=jit)
        def go():
            with tf.GradientTape() as tape:
                loss = cross_entropy(targets, model(inputs, training=True))
            optimizer.apply(tape.gradient(loss, variables), variables)
            return loss

        measure(name, peer, threads, tokens, lambda: go().numpy(), compiles=True)


def language_model(name, recurrent):
    """`recurrent` returns the recurrent layers."""
    size = WORKLOADS[name]
    xs, ys = (tf.constant(ids(size.vocabulary, size.batch, size.time)) for _ in range(2))

    def make():
        embedding = layers.Embedding(size.vocabulary, size.embedding_size)
        return keras.Sequential([embedding, *recurrent(size), layers.Dense(size.vocabulary)])

    train(name, size.batch * size.time, make, xs, ys)


def sentiment():
    size = WORKLOADS["sentiment"]
    long, xs = lengths(size), ids(size.vocabulary - 1, size.batch, size.time) + 1
    for row, length in zip(xs, long):
        row[length:] = 0

    def make():
        embedding = layers.Embedding(size.vocabulary, size.embedding_size, mask_zero=True)
        recurrent = layers.Bidirectional(layers.LSTM(size.hidden_size))
        return keras.Sequential([embedding, recurrent, layers.Dense(size.classes)])

    train("sentiment", int(long.sum()), make, tf.constant(xs), tf.constant(ids(size.classes, size.batch)))


def gru_seq2seq_attn():
    size = WORKLOADS["gru_seq2seq_attn"]
    xs, ys, targets = (tf.constant(ids(size.vocabulary, size.batch, size.time)) for _ in range(3))
    train("gru_seq2seq_attn", size.batch * size.time, lambda: Seq2Seq(size), (xs, ys), targets)


def infer_step():
    size = WORKLOADS["infer_step"]
    for peer, jit in PEERS.items():
        embedding = layers.Embedding(size.vocabulary, size.embedding_size)
        cell, readout = layers.LSTMCell(size.hidden_size), layers.Dense(size.vocabulary)
        embedding.build()
        cell.build((1, size.embedding_size))
        readout.build((1, size.hidden_size))

        @tf.function(jit_compile=jit)
        def go(h, c, last):
            output, (h, c) = cell(embedding(last), [h, c])
            return h, c, tf.argmax(readout(output), -1, output_type=tf.int32)

        state = [tf.zeros((1, size.hidden_size)), tf.zeros((1, size.hidden_size)), tf.zeros(1, tf.int32)]
        check("infer_step", peer, embedding.weights + cell.weights + readout.weights)

        def step():
            state[:] = go(*state)
            state[2].numpy()

        measure("infer_step", peer, threads, 1, step, seconds=2.0, compiles=True)


def lstms(size):
    return [layers.LSTM(size.hidden_size, return_sequences=True) for _ in range(size.layers)]


run({
    "rnn_small": lambda: language_model(
        "rnn_small", lambda size: [layers.SimpleRNN(size.hidden_size, return_sequences=True)]),
    "rnn_small_custom": lambda: language_model(
        "rnn_small_custom", lambda size: [layers.RNN(RnnCell(size.hidden_size), return_sequences=True)]),
    "lstm_custom_256": lambda: language_model(
        "lstm_custom_256", lambda size: [layers.RNN(LstmCell(size.hidden_size), return_sequences=True)]),
    "lstm_lm_medium": lambda: language_model("lstm_lm_medium", lstms),
    "sentiment": sentiment,
    "gru_seq2seq_attn": gru_seq2seq_attn,
    "infer_step": infer_step,
}, only)
