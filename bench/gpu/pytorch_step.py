"""The decode step of Moonshine tiny in PyTorch, beside `voxlane-bench gpu`: the same shapes, the same fixed batch and
caches, greedy choice on the device, one read-back a step. The weights are random: times do not depend on them.

    python3 pytorch_step.py [--float f32|bf16|f16] [--batch 1,4,16,64,256] [--device cuda|cpu]
"""

import argparse
import time

import torch
from torch.nn import functional as F

HIDDEN, HEADS, LAYERS, MLP, VOCABULARY = 288, 8, 6, 1152, 32768
HEAD, ROTARY, COLUMNS, FRAMES = HIDDEN // HEADS, 32, 200, 1248
FLOATS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class Step(torch.nn.Module):
    def __init__(self, places, dtype, device):
        super().__init__()
        make = {"dtype": dtype, "device": device}
        linear = lambda inputs, outputs, bias=False: torch.nn.Linear(inputs, outputs, bias=bias, **make)
        norm = lambda: torch.nn.LayerNorm(HIDDEN, bias=False, **make)
        self.layers = torch.nn.ModuleList(
            torch.nn.ModuleDict(
                {
                    "self_norm": norm(), "projections": linear(HIDDEN, 3 * HIDDEN), "self_output": linear(HIDDEN, HIDDEN),
                    "cross_norm": norm(), "query": linear(HIDDEN, HIDDEN), "cross_output": linear(HIDDEN, HIDDEN),
                    "mlp_norm": norm(), "up": linear(HIDDEN, 2 * MLP, True), "down": linear(MLP, HIDDEN, True),
                }
            )
            for _ in range(LAYERS)
        )
        self.norm = norm()
        self.embedding = torch.nn.Parameter(torch.randn(VOCABULARY, HIDDEN, **make) * 0.05)
        cache = lambda rows: [torch.randn(places, HEADS, rows, HEAD, **make) for _ in range(2 * LAYERS)]
        self.tokens_cache, self.frames_cache = cache(COLUMNS), cache(FRAMES)
        self.angles = torch.randn(COLUMNS, 1, ROTARY // 2, 2, **make)
        self.hidden_tokens = torch.zeros(places, 1, 1, COLUMNS, **make)
        self.hidden_frames = torch.zeros(places, 1, 1, FRAMES, **make)
        self.next = torch.ones(places, dtype=torch.long, device=device)
        self.positions = torch.zeros(places, dtype=torch.long, device=device)

    def turn(self, x):
        angles = self.angles[self.positions]
        pairs = x[..., :ROTARY].unflatten(-1, (-1, 2))
        (a, b), (cos, sin) = pairs.unbind(-1), angles.unbind(-1)
        turned = torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
        return torch.cat((turned, x[..., ROTARY:]), -1)

    def forward(self, column):
        places = self.next.shape[0]
        x = self.embedding[self.next]
        for index, layer in enumerate(self.layers):
            q, k, v = layer["projections"](layer["self_norm"](x)).view(places, 3, HEADS, HEAD).unbind(1)
            keys, values = self.tokens_cache[2 * index], self.tokens_cache[2 * index + 1]
            keys.index_copy_(2, column, self.turn(k).unsqueeze(2))
            values.index_copy_(2, column, v.unsqueeze(2))
            q = self.turn(q).unsqueeze(2)
            attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=self.hidden_tokens)
            x = x + layer["self_output"](attended.reshape(places, HIDDEN))
            q = layer["query"](layer["cross_norm"](x)).view(places, HEADS, 1, HEAD)
            keys, values = self.frames_cache[2 * index], self.frames_cache[2 * index + 1]
            attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=self.hidden_frames)
            x = x + layer["cross_output"](attended.reshape(places, HIDDEN))
            value, gate = layer["up"](layer["mlp_norm"](x)).chunk(2, -1)
            x = x + layer["down"](F.silu(gate) * value)
        logits = (self.norm(x) @ self.embedding.t()).float()
        best, token = logits.max(-1)
        self.next.copy_(token)
        self.positions.copy_((self.positions + 1).clamp(max=COLUMNS - 1))
        return torch.stack((token.float(), best - logits.logsumexp(-1)), -1)


def measure(run, device, steps=100):
    times = []
    for step in range(steps + 20):
        begun = time.perf_counter()
        run(step % COLUMNS).cpu()
        if step >= 20:
            times.append((time.perf_counter() - begun) * 1e3)
    times.sort()
    return f"{times[len(times) // 2]:9.3f} {times[int(len(times) * 0.9)]:9.3f}"


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--float", choices=FLOATS, default="f32")
    parser.add_argument("--batch", default="1,4,16,64,256")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {args.float}, TF32 {torch.backends.cuda.matmul.allow_tf32}")
    print(f"{'places':>7} {'mode':>12} {'p50 ms':>9} {'p90 ms':>9}")
    for places in map(int, args.batch.split(",")):
        step = Step(places, FLOATS[args.float], args.device).eval()
        column = torch.zeros(1, dtype=torch.long, device=args.device)

        def eager(number, forward=step):
            column.fill_(number)
            return forward(column)

        modes = {"eager": eager}
        if args.device == "cuda":
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                eager(0), eager(1)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                out = step(column)

            def replay(number):
                column.fill_(number)
                graph.replay()
                return out

            modes["CUDA graph"] = replay
        modes["compile"] = lambda number, forward=torch.compile(step): eager(number, forward)
        for name, run in modes.items():
            try:
                print(f"{places:>7} {name:>12} {measure(run, args.device)}", flush=True)
            except Exception as error:  # a mode that this installation cannot run
                print(f"{places:>7} {name:>12} failed: {str(error).splitlines()[0]}", flush=True)


if __name__ == "__main__":
    main()
