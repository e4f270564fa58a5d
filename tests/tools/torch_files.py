"""Real PyTorch for the tests of checkpoint files.

    torch_files.py write FOLDER   writes checkpoints of every sort, and manifest.json with what is in them
    torch_files.py others FOLDER  writes checkpoints with several weights in them, and files that only look like checkpoints
    torch_files.py read FILE      loads FILE with weights_only=True, prints the manifest of what is under "net"

Needs a torch to import: see with_torch.py.
"""

import json
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path

import torch


def manifest(tensors):
    def facts(tensor):
        flat = tensor.detach().contiguous().reshape(-1)
        raw = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
        return {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch."), "hex": raw.hex()}

    return {name: facts(tensor) for name, tensor in tensors.items()}


class Settings:
    """As HIPTrack pickles it into its checkpoints; whoever reads them has no such class."""

    def __init__(self):
        self.script_name, self.config_name, self.batchsize = "hiptrack", "got", 32
        self.nested = {"a": [1, 2, (3, None)]}


def tensors():
    torch.manual_seed(1)
    base = torch.randn(6, 8)
    shared = torch.randn(10)
    return OrderedDict(
        [
            ("a.float", torch.randn(2, 3)),
            ("a.half", torch.randn(4).half()),
            ("a.bfloat", torch.randn(3, 2).bfloat16()),
            ("a.double", torch.randn(2).double()),
            ("a.long", torch.tensor(7)),
            ("a.int", torch.arange(3, dtype=torch.int32)),
            ("a.short", torch.arange(3, dtype=torch.int16)),
            ("a.char", torch.arange(-2, 3, dtype=torch.int8)),
            ("a.byte", torch.arange(5, dtype=torch.uint8)),
            ("a.bool", torch.tensor([True, False, True])),
            ("a.empty", torch.zeros(0, 4)),
            ("a.scalar", torch.tensor(2.5)),
            ("b.transposed", base.t()),
            ("b.every_second", base[1:5:2, 2:7:3]),
            ("b.expanded", torch.randn(3, 1).expand(3, 4)),
            ("b.first", shared[:4]),
            ("b.second", shared[3:9]),
            ("c.parameter", torch.nn.Parameter(torch.randn(2, 2))),
        ]
    )


def write(folder):
    import random
    import types

    module = types.ModuleType("lib.train.admin.settings")
    module.Settings = Settings
    Settings.__module__ = "lib.train.admin.settings"
    for name in ("lib", "lib.train", "lib.train.admin"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["lib.train.admin.settings"] = module

    net = tensors()
    layer = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
    layer(torch.randn(1, 3)).sum().backward()
    optimizer.step()
    hiptrack = {
        "epoch": 3,
        "actor_type": "HIPTrackActor",
        "net_type": "HIPTrack",
        "net": net,
        "net_info": None,
        "constructor": None,
        "optimizer": optimizer.state_dict(),
        "stats": OrderedDict(train=defaultdict(list, {"Loss/total": [1.5, 2.5]})),
        "settings": Settings(),
        "random": random.getstate(),
        "big": 1 << 200,
        "best": {1, 2, 3},
        "version": (2, 11),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
    }
    try:
        import numpy

        hiptrack["numpy"] = {"scalar": numpy.float32(1.5), "array": numpy.arange(4)}
    except ImportError:
        pass
    wrapped = OrderedDict((f"module.{name}", tensor) for name, tensor in net.items())
    saves = {
        "hiptrack.pth.tar": (hiptrack, {}),
        "hiptrack_legacy.pth.tar": (hiptrack, {"_use_new_zipfile_serialization": False}),
        "plain.pth": (net, {}),
        "plain_legacy.pth": (net, {"_use_new_zipfile_serialization": False}),
        "model.pth": ({"model": net}, {}),
        "parallel.pt": ({"state_dict": wrapped, "arch": "vit"}, {}),
        "protocol4.pth": ({"model": {"state_dict": wrapped}}, {"pickle_protocol": 4}),
        "protocol5_legacy.pth": (wrapped, {"pickle_protocol": 5, "_use_new_zipfile_serialization": False}),
    }
    for name, (what, options) in saves.items():
        torch.save(what, folder / name, **options)
    (folder / "manifest.json").write_text(json.dumps({"files": sorted(saves), "tensors": manifest(net)}))


class Tracker(torch.nn.Module):
    """A module with modules in it, a buffer that its state dictionary has, and one that it leaves out."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        self.register_buffer("grid", torch.arange(3.0))
        self.register_buffer("passing", torch.zeros(5), persistent=False)


def others(folder):
    import io
    import tarfile

    torch.manual_seed(2)
    layer = lambda: torch.nn.Linear(3, 3).state_dict()
    module = Tracker()
    saves = {
        "dino.pth": {"student": layer(), "teacher": layer(), "epoch": 9, "dino_loss": {"center": torch.zeros(1, 3)}},
        "timm.pth": {"state_dict": layer(), "state_dict_ema": layer(), "metric": 0.5},
        "ema.pth": {"model_ema": layer(), "loss": torch.tensor(0.5)},
        "deep.pth": {"a": {"b.c": {"weights": layer()}}},
        "parts.pth": {"model": {"backbone": layer(), "head": layer()}},
        "list.pth": [layer(), {"lr": 0.1}],
        "module.pth": module,
        "net_is_module.pth": {"net": torch.nn.DataParallel(module), "epoch": 1},
        "optimizer.pth": {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}},
    }
    for name, what in saves.items():
        torch.save(what, folder / name)
    torch.jit.script(torch.nn.Linear(3, 3)).save(folder / "jit.pt")
    inner = io.BytesIO()
    torch.save(layer(), inner)
    with tarfile.open(folder / "around.pth.tar", "w") as tar:
        member = tarfile.TarInfo("best.pth")
        member.size = len(inner.getvalue())
        inner.seek(0)
        tar.addfile(member, inner)
    teacher = manifest(saves["dino.pth"]["teacher"])
    (folder / "manifest.json").write_text(json.dumps({"teacher": teacher, "module": manifest(module.state_dict())}))


def main():
    verb, path = sys.argv[1], Path(sys.argv[2])
    if verb == "write":
        write(path)
    elif verb == "others":
        others(path)
    else:
        loaded = torch.load(path, weights_only=True)
        rest = {key: value for key, value in loaded.items() if isinstance(value, (int, str))}
        print(json.dumps({"net": manifest(loaded["net"]), "rest": rest}))


main()
