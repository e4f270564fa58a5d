#!/usr/bin/env python3
"""Frames/s of online tracking in PyTorch as the published code runs it, one JSON line a case: the model alone.

    python3 online.py --keep_rate 0.7,1.0
    trackflow bench track --config hiptrack_cls       # the same cases

The template goes through the backbone with every frame; the first frames ask a memory written from the template each
time, later ones a memory of 2 or 150 entries. No autograd. Needs torch alone.
"""

import argparse
import json
import statistics
import time

import torch

from network import SIZES
from tracker import Tracker

CASES = {"template prompt": 0, "memory of 2 entries": 2, "memory of 150 entries": 150}


def frame(model, template, boxes, search, memory, keep):
    """One frame: backbone, prompt, head; without a memory the template's is written first."""
    template_map, features, removed = model.features(template, search, keep)
    key, value = model.key_proj.key_proj(features), model.key_comp(features)
    memory = memory or [model.template_memory(template, boxes, template_map)]
    return model.predict(features, key, value, memory, removed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", choices=sorted(SIZES), default="vit_base")
    parser.add_argument("--keep_rate", type=lambda text: [float(part) for part in text.split(",")], default=[0.7, 1.0])
    parser.add_argument("--frames", type=int, default=5, help="timed frames, after one to warm up")
    args = parser.parse_args()
    sizes, device = SIZES[args.model], torch.device(args.device)
    torch.manual_seed(1)
    model = Tracker(sizes, tuned=False).to(device).eval()
    template = torch.randn(1, 3, sizes.template, sizes.template, device=device)
    search = torch.randn(1, 3, sizes.search, sizes.search, device=device)
    boxes = torch.tensor([[0.25, 0.25, 0.5, 0.5]], device=device)
    entry = lambda: (torch.randn(1, sizes.key, sizes.grid_x, sizes.grid_x, device=device),
                     torch.randn(1, sizes.dim // 2, sizes.grid_x, sizes.grid_x, device=device))
    with torch.no_grad():
        for keep in args.keep_rate:
            for case, entries in CASES.items():
                memory, seconds = [entry() for _ in range(entries)], []
                for _ in range(args.frames + 1):
                    start = time.perf_counter()
                    frame(model, template, boxes, search, memory, keep).boxes.cpu()
                    seconds.append(time.perf_counter() - start)
                best, middle = min(seconds[1:]), statistics.median(seconds[1:])
                print(json.dumps({"program": "pytorch", "keep_rate": keep, "case": case, "seconds_best": round(best, 4),
                                  "seconds": round(middle, 4), "frames_per_second": round(1 / best, 3)}), flush=True)


if __name__ == "__main__":
    main()
