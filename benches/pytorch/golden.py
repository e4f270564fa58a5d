"""Weights and inputs by formula, and the check of a tracker against golden values of the reference."""

import json
import re
from pathlib import Path

import numpy as np
import torch

from losses import loss_at_once, loss_by_frames
from network import SIZES
from tracker import Tracker

TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}


def read_safetensors(path):
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    body = memoryview(data)[8 + length :]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            array = np.frombuffer(body[first:last], TYPES[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(array.copy())
    return tensors


def units(name, seed, count):
    """SplitMix64 in counter mode, keyed by FNV-1a of the name: uniform in [0, 1)."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    values = np.empty(count)
    for start in range(0, count, 1 << 20):
        stop = min(start + (1 << 20), count)
        with np.errstate(over="ignore"):
            z = np.arange(start + 1, stop + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key ^ seed)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        values[start:stop] = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return values


def weight(name, seed, shape):
    u = units(name, seed, int(np.prod(shape)))
    if name.endswith(".num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith(".running_var"):
        values = 1.0 + u * 0.1
    elif name.endswith((".running_mean", ".bias")):
        values = (u - 0.5) * 0.02
    elif name.endswith(".weight") and len(shape) == 1:
        values = 1.0 + (u - 0.5) * 0.1
    elif name.endswith(".weight") and len(shape) == 4 and name.startswith(("HIP.", "searchRegionFusion.", "box_head.")):
        values = (u - 0.5) * 2.0 * np.sqrt(3.0 / (shape[1] * shape[2] * shape[3]))
    else:
        values = (u - 0.5) * 2.0 * 0.02
    return torch.from_numpy(values.astype(np.float32)).view(shape)


def pixels(name, seed, shape):
    return torch.from_numpy(((units(name, seed, int(np.prod(shape))) - 0.5) * 4.0).astype(np.float32)).view(shape)


class Case:
    """One golden file: weights, inputs and expected values of a seed."""

    def __init__(self, path):
        self.seed = int(re.fullmatch(r"seed(\d+)\.safetensors", path.name)[1])
        self.golden = read_safetensors(path)
        shapes = [line.split("\t")[:2] for line in (path.parent / "state_dict_keys.txt").read_text().splitlines()]
        self.state = {name: weight(name, self.seed, tuple(json.loads(shape))) for name, shape in shapes}
        self.template = pixels("input.template", self.seed, (2, 3, 192, 192))
        self.search = torch.stack([pixels(f"input.search.{at}", self.seed, (2, 3, 384, 384)) for at in range(5)])

    def differences(self, device, tuned, keep, tag, autocast):
        """The largest absolute difference by kind of value; removed tokens by how many differ."""
        model = Tracker(SIZES["vit_base"], tuned)
        model.load_state_dict(self.state, strict=True)
        model = model.to(device).eval()
        to = lambda key: self.golden[key].to(device)
        with torch.no_grad(), autocast():
            boxes = to("in.template_boxes_xywh")
            outputs = model(self.template.to(device), self.search.to(device), boxes, keep)
        loss = loss_at_once if tuned else loss_by_frames
        _, numbers = loss(outputs, to("in.search_boxes_xywh"), to("in.cls_labels"))
        found = {}

        def compare(kind, have, expected):
            difference = (have.double().cpu().reshape(-1) - expected.double().reshape(-1)).abs().max().item()
            found[kind] = max(found.get(kind, 0.0), difference)

        for at, frame in enumerate(outputs):
            expected = lambda part: self.golden[f"{tag}.f{at}.{part}"]
            compare("boxes", frame.boxes, expected("pred_boxes"))
            compare("score", frame.score, expected("score_map"))
            compare("size", frame.size, expected("size_map"))
            compare("offset", frame.offset, expected("offset_map"))
            compare("logits", frame.logits, expected("cls_logits"))
            for layer, cut in enumerate(frame.removed):
                wrong = (cut.sort(1).values.cpu() != expected(f"removed{layer}.sorted")).sum().item()
                found["removed"] = found.get("removed", 0) + wrong
        # Of the frames together, and relative: sums of the box task, of the class loss and of both.
        sums = torch.as_tensor(numbers).double().cpu()[:, [4, 3, 5]].sum(0)
        found["losses"] = (sums / self.golden[f"{tag}.losses_sum"][:3].double() - 1).abs().max().item()
        return found


def verify(folder, device, precision, autocast, tolerance):
    """One JSON line a seed, style and keep rate; the value is whether all are within the tolerance."""
    paths = sorted(Path(folder).glob("seed*.safetensors"))
    if not paths:
        raise SystemExit(f"{folder}: no seed<N>.safetensors")
    good = True
    for path in paths:
        case = Case(path)
        # Which tokens are dropped is decided by tiny gaps, which bfloat16 cannot tell.
        rates = [(1.0, "k10")] if precision == "bf16" else [(1.0, "k10"), (0.7, "k07")]
        for tuned in (False, True):
            for keep, tag in rates:
                found = case.differences(device, tuned, keep, tag, autocast)
                fits = all(value <= tolerance for value in found.values())
                good &= fits
                line = {"check": tag, "seed": case.seed, "style": "tuned" if tuned else "reference"}
                line |= {"device": str(device), "precision": precision, "tolerance": tolerance, "ok": fits}
                print(json.dumps(line | {"differences": found}), flush=True)
    return good
