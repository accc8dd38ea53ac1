"""What the workloads are: their sizes, their data, and how many weights their matrices hold."""
import sys
from typing import NamedTuple

import numpy as np

MAX_NORM, LEARNING_RATE = 5.0, 1e-3


class LanguageModel(NamedTuple):
    """An embedding, recurrent layers with `gates` gates each, and a readout, on a batch of equally long sequences."""

    vocabulary: int
    embedding_size: int
    hidden_size: int
    batch: int
    time: int
    gates: int = 1
    layers: int = 1

    def weights(self):
        inputs = [self.embedding_size] + [self.hidden_size] * (self.layers - 1)
        recurrent = sum(self.gates * self.hidden_size * (size + self.hidden_size) for size in inputs)
        return self.vocabulary * (self.embedding_size + self.hidden_size) + recurrent


class Sentiment(NamedTuple):
    """A bidirectional LSTM over sequences of different lengths, and a readout of its two last states."""

    vocabulary: int = 8000
    embedding_size: int = 128
    hidden_size: int = 128
    classes: int = 2
    batch: int = 64
    time: int = 100

    def weights(self):
        recurrent = 2 * 4 * self.hidden_size * (self.embedding_size + self.hidden_size)
        return self.vocabulary * self.embedding_size + recurrent + 2 * self.hidden_size * self.classes


class Seq2Seq(NamedTuple):
    """A bidirectional GRU, and a GRU with additive attention whose readout sees its state and the context."""

    vocabulary: int = 8000
    embedding_size: int = 256
    encoder_size: int = 256
    decoder_size: int = 512
    batch: int = 64
    time: int = 15

    def weights(self):
        memory = 2 * self.encoder_size
        encoder = 2 * 3 * self.encoder_size * (self.embedding_size + self.encoder_size)
        attention = memory * self.decoder_size + self.decoder_size**2 + self.decoder_size
        decoder = 3 * self.decoder_size * (self.embedding_size + memory + self.decoder_size)
        bridge, readout = memory * self.decoder_size, (self.decoder_size + memory) * self.vocabulary
        return 2 * self.vocabulary * self.embedding_size + encoder + bridge + attention + decoder + readout


WORKLOADS = {
    "rnn_small": LanguageModel(64, 32, 64, 16, 64),
    "rnn_small_custom": LanguageModel(64, 32, 64, 16, 64),
    "lstm_custom_256": LanguageModel(2000, 256, 256, 32, 64, gates=4),
    "lstm_lm_medium": LanguageModel(10_000, 650, 650, 20, 35, gates=4, layers=2),
    "sentiment": Sentiment(),
    "gru_seq2seq_attn": Seq2Seq(),
    "infer_step": LanguageModel(8000, 256, 512, 1, 1, gates=4),
}

rng = np.random.default_rng(0)


def ids(many, *shape):
    """Returns random whole numbers below `many`."""
    return rng.integers(0, many, shape).astype(np.int32)


def lengths(sizes):
    """Returns the lengths of the sequences of a batch: from 10 to 70, and one that fills it."""
    drawn = rng.integers(10, 71, sizes.batch)
    drawn[0] = sizes.time
    return drawn.astype(np.int32)


def check_weights(name, peer, shapes):
    """Checks that a peer's parameters have as many numbers as those of the workload, and prints their number.

    Only matrices are compared: frameworks differ in whether a recurrent layer has one bias or two.
    """
    shapes = [tuple(shape) for shape in shapes]
    matrices = sum(int(np.prod(shape)) for shape in shapes if len(shape) > 1)
    expected, total = WORKLOADS[name].weights(), sum(int(np.prod(shape)) for shape in shapes)
    if matrices != expected:
        sys.exit(f"{name} in {peer} has {matrices:,} weights in matrices; the workload has {expected:,}")
    print(f"{name} in {peer}: {total:,} parameters, {total - matrices:,} of them biases", file=sys.stderr)
