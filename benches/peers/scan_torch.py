"""The workloads scan_min_gru and delta_rule in PyTorch, as a loop over the steps. usage: scan_torch.py THREADS [NAME...]

Each is a training step of a language model with 64 symbols and one cell of width 256: forward, backward, clipping and
Adam. Prints name,peer,threads,median_ms,min_ms,tokens_per_s.
"""
import sys

import torch
import torch.nn.functional as F
from timing import measure
from torch import nn

threads, only = int(sys.argv[1]), sys.argv[2:]
torch.set_num_threads(threads)
torch.manual_seed(0)
SYMBOLS, WIDTH, HEADS = 64, 256, 4


class MinGru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.hidden = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        z, candidate = torch.sigmoid(self.gate(x)), self.hidden(x)
        candidate = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
        a, b = 1 - z, z * candidate
        h, hs = torch.zeros_like(b[:, 0]), []
        for a, b in zip(a.unbind(1), b.unbind(1)):
            h = torch.addcmul(b, a, h)
            hs.append(h)
        return torch.stack(hs, 1)


class DeltaRule(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.beta, self.alpha = nn.Linear(WIDTH, HEADS, bias=False), nn.Linear(WIDTH, HEADS)
        self.a_log = nn.Parameter(torch.zeros(HEADS))

    def forward(self, x):
        batch, time_steps, _ = x.shape
        heads = lambda y: y.reshape(batch, time_steps, HEADS, -1)
        q, k = (F.normalize(F.silu(heads(layer(x))), dim=-1) for layer in (self.q, self.k))
        v, beta = F.silu(heads(self.v(x))), torch.sigmoid(self.beta(x))
        alpha = torch.exp(-torch.exp(self.a_log) * F.softplus(self.alpha(x)))
        s, outputs = x.new_zeros(batch, HEADS, WIDTH // HEADS, WIDTH // HEADS), []
        for q, k, v, beta, alpha in zip(*(y.unbind(1) for y in (q, k, v, beta, alpha))):
            s = s * alpha[..., None, None]
            change = beta[..., None] * (v - (s @ k[..., None])[..., 0])
            s = s + change[..., None] * k[..., None, :]
            outputs.append((s @ q[..., None])[..., 0])
        return torch.stack(outputs, 1).reshape(batch, time_steps, WIDTH)


class Model(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.embedding, self.cell, self.readout = nn.Embedding(SYMBOLS, WIDTH), cell, nn.Linear(WIDTH, SYMBOLS)

    def forward(self, x):
        return self.readout(self.cell(self.embedding(x)))


def run(name, cell, batch, time_steps):
    if only and name not in only:
        return
    model = Model(cell())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = (torch.randint(SYMBOLS, (batch, time_steps)) for _ in range(2))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    measure(name, "torch", threads, batch * time_steps, step)


run("scan_min_gru", MinGru, 8, 4096)
run("delta_rule", DeltaRule, 4, 2048)
