"""The other half of `pytorch.rs`: our weights in PyTorch's layers, and PyTorch's weights for ours.

    python crates/nn/examples/pytorch.py FOLDER

Needs the packages `torch` and `safetensors`. All numbers are float64, compared to 1e-10 * max(1, |expected|).
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def flat(outputs):
    """The tensors of nested tuples, in order."""
    if torch.is_tensor(outputs):
        return [outputs]
    return [tensor for part in outputs for tensor in flat(part)]


def run(kind, module, xs):
    with torch.no_grad():
        if kind == "Embedding":
            return flat(module(((xs[0] + 1) * 5).long()))
        if kind == "MultiheadAttention":
            return flat(module(xs[0], xs[1], xs[1]))
        return flat(module(*xs))


def main(folder):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    ours, theirs = Path(folder) / "from_unspool", Path(folder) / "from_pytorch"
    theirs.mkdir(exist_ok=True)
    names = sorted(path.name.removesuffix(".safetensors") for path in ours.glob("*.safetensors"))
    names = [name for name in names if not name.endswith(".numbers")]
    assert names, f"nothing in {ours}"
    for name in names:
        path = ours / f"{name}.safetensors"
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["unspool"])
        kind, arguments = about["class"], json.loads(about["arguments"])
        make = lambda: getattr(torch.nn, kind)(**arguments).eval()

        # Ours there.
        module, numbers = make(), load_file(ours / f"{name}.numbers.safetensors")
        module.load_state_dict(load_file(path), strict=True)
        xs = [numbers[f"x{i}"] for i in range(sum(key.startswith("x") for key in numbers))]
        ys = run(kind, module, xs)
        assert len(ys) == len(numbers) - len(xs), f"{name}: {len(ys)} outputs"
        for i, y in enumerate(ys):
            torch.testing.assert_close(numbers[f"y{i}"], y, rtol=1e-10, atol=1e-10, msg=lambda why: f"{name}: {why}")

        # Theirs here.
        module = make()
        save_file(module.state_dict(), theirs / f"{name}.safetensors")
        xs = [2 * torch.rand_like(x) - 1 for x in xs]
        named = {f"x{i}": x for i, x in enumerate(xs)} | {f"y{i}": y for i, y in enumerate(run(kind, module, xs))}
        save_file({key: tensor.contiguous() for key, tensor in named.items()}, theirs / f"{name}.numbers.safetensors")
    print(f"{len(names)} layers of ours loaded and equal, by PyTorch {torch.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
