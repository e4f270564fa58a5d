#!/usr/bin/env python3
"""Time and memory of a multi-task HIPTrack training step in PyTorch, one JSON line a configuration.

    python3 step.py --style reference --device cuda --batch 1,8 --phase all --precision default
    python3 step.py --verify GOLDEN_DIR

`--style reference` runs as the published code does; `--style tuned` is what PyTorch can do on one device: all frames in
one backbone pass, fused attention, no host synchronisation, fused AdamW, channels last, and bfloat16 with
`--precision bf16`. Needs torch and numpy alone.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

import torch

from losses import loss_at_once, loss_by_frames
from network import SIZES
from tracker import Tracker

FRAMES = 5


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda kind: lambda text: [kind(part) for part in text.split(",")]
    parser.add_argument("--style", choices=["reference", "tuned"], default="reference")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--model", choices=sorted(SIZES), default="vit_base")
    parser.add_argument("--batch", type=listed(int), default=[1], help="clips a step, e.g. 1,8,16")
    parser.add_argument("--phase", choices=["frozen", "joint", "all"], default="all")
    parser.add_argument("--keep_rate", type=listed(float), default=[1.0], help="of candidate elimination, e.g. 1.0,0.7")
    parser.add_argument("--precision", choices=["default", "fp32", "tf32", "bf16"], default="fp32",
                        help="default: PyTorch's own, which on a GPU is TF32 for convolutions and FP32 otherwise")
    parser.add_argument("--channels_last", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after one (on a GPU three) to warm up")
    parser.add_argument("--seconds", type=float, default=30.0, help="no further step of a configuration after these")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on the CPU; 0 leaves its choice")
    parser.add_argument("--verify", metavar="GOLDEN_DIR", help="compare the forward pass with golden values instead")
    parser.add_argument("--tolerance", type=float, help="of --verify, absolute; 1e-4, or 2e-2 with bf16")
    return parser.parse_args()


def prepare(args):
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.precision in ("fp32", "tf32"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(f"--device {args.device}: no GPU answers; use --device cpu", file=sys.stderr)
        raise SystemExit(69)
    return device


def autocast(args, device):
    if args.precision != "bf16":
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=torch.bfloat16)


class Training:
    """Model, optimizer and a batch, ready to step."""

    def __init__(self, args, device, batch, phase, keep):
        self.args, self.device, self.keep = args, device, keep
        self.tuned = args.style == "tuned"
        sizes = SIZES[args.model]
        torch.manual_seed(1)
        self.model = Tracker(sizes, self.tuned).to(device).train()
        channels_last = {"yes": True, "no": False}.get(args.channels_last, self.tuned and device.type == "cuda")
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.model.freeze(phase == "frozen")
        named = [(name, x) for name, x in self.model.named_parameters() if x.requires_grad]
        heads = [x for name, x in named if not name.startswith("backbone.")]
        backbone = [x for name, x in named if name.startswith("backbone.")]
        self.trained = heads + backbone
        groups = [{"params": heads}] + ([{"params": backbone, "lr": 1e-5}] if backbone else [])
        fused = {"fused": True} if self.tuned else {}
        self.optimizer = torch.optim.AdamW(groups, lr=1e-4, weight_decay=1e-4, **fused)
        self.template = torch.randn(batch, 3, sizes.template, sizes.template, device=device)
        self.search = torch.randn(FRAMES, batch, 3, sizes.search, sizes.search, device=device)
        self.template_boxes = torch.tensor([0.25, 0.25, 0.5, 0.5], device=device).repeat(batch, 1)
        self.boxes = torch.tensor([0.4, 0.35, 0.2, 0.25], device=device).repeat(FRAMES, batch, 1)
        self.labels = torch.arange(FRAMES * batch, device=device).view(FRAMES, batch) % sizes.classes
        self.autocast = autocast(args, device)
        self.loss = loss_at_once if self.tuned else loss_by_frames

    def step(self):
        with self.autocast():
            outputs = self.model(self.template, self.search, self.template_boxes, self.keep)
        total, _ = self.loss(outputs, self.boxes, self.labels)
        self.optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 0.1)
        self.optimizer.step()
        return total.detach()


def measure(args, device, batch, phase, keep):
    on_gpu = device.type == "cuda"
    wait = (lambda: torch.cuda.synchronize(device)) if on_gpu else (lambda: None)
    line = {"program": "pytorch", "style": args.style, "device": args.device, "model": args.model, "phase": phase}
    line |= {"keep_rate": keep, "batch": batch, "precision": args.precision, "torch": torch.__version__}
    if on_gpu:
        line["gpu"] = torch.cuda.get_device_name(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        line["threads"] = torch.get_num_threads()
    try:
        training = Training(args, device, batch, phase, keep)
        begin, seconds = time.perf_counter(), []
        for _ in range(3 if on_gpu else 1):
            loss = training.step()
        wait()
        for _ in range(args.steps):
            start = time.perf_counter()
            loss = training.step()
            wait()
            seconds.append(time.perf_counter() - start)
            if time.perf_counter() - begin > args.seconds:
                break
    except torch.OutOfMemoryError:
        return line | {"error": "out of memory"}
    middle = statistics.median(seconds)
    peak = torch.cuda.max_memory_allocated(device) if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line |= {"steps": len(seconds), "seconds": round(middle, 6), "clips_per_second": round(batch / middle, 3)}
    return line | {"peak_bytes": peak, "loss": round(loss.item(), 4)}


def main():
    args = parse()
    device = prepare(args)
    if args.verify:
        from golden import verify

        tolerance = args.tolerance or (2e-2 if args.precision == "bf16" else 1e-4)
        raise SystemExit(0 if verify(args.verify, device, args.precision, autocast(args, device), tolerance) else 1)
    phases = ["frozen", "joint"] if args.phase == "all" else [args.phase]
    plan = [(batch, phase, keep) for phase in phases for keep in args.keep_rate for batch in args.batch]
    for batch, phase, keep in plan:
        if device.type == "cpu" and len(plan) > 1:
            # A process of its own, whose peak memory is that of this configuration alone.
            last = ["--batch", str(batch), "--phase", phase, "--keep_rate", str(keep)]
            subprocess.run([sys.executable, __file__, *sys.argv[1:], *last], check=True)
        else:
            print(json.dumps(measure(args, device, batch, phase, keep)), flush=True)


if __name__ == "__main__":
    main()
