"""Real PyTorch for the tests of checkpoint files.

    torch_files.py CACHE write FOLDER   writes checkpoints of every sort, and manifest.json with what is in them
    torch_files.py CACHE read FILE      loads FILE with weights_only=True, prints the manifest of what is under "net"

Uses the torch of this Python, or else the one in the folder above $LIBTORCH. That one may be there without the CUDA
libraries and Python packages that it names: empty libraries stand in for the former, as nothing here runs on a GPU, and
the latter are installed into CACHE. Exit code 75 says that no torch is to be had, and why.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path

UNAVAILABLE = 75


def unavailable(why):
    print(f"no torch: {why}")
    sys.exit(UNAVAILABLE)


def stand_in_for_missing_libraries(cache, lib):
    """Empty libraries for those that torch's own name and this machine lacks; loaded before torch."""
    listed = subprocess.run(["ldd", *map(str, lib.glob("*.so*"))], capture_output=True, text=True).stdout
    missing = sorted(set(re.findall(r"(\S+) => not found", listed)))
    stubs = cache / "stubs"
    stubs.mkdir(parents=True, exist_ok=True)
    source = stubs / "empty.c"
    source.write_text("")
    for name in missing:
        if not (stubs / name).exists():
            building = ["cc", "-shared", f"-Wl,-soname,{name}", "-o", str(stubs / name), str(source)]
            subprocess.run(building, check=True, capture_output=True)
    return stubs


def import_torch(cache):
    try:
        return importlib.import_module("torch")
    except ImportError:
        pass
    libtorch = os.environ.get("LIBTORCH")
    if not libtorch or not (Path(libtorch) / "__init__.py").exists():
        unavailable("this Python has none, and LIBTORCH is not that of a Python package")
    packages = cache / "packages"
    if os.environ.get("TORCH_FILES_STUBS") != "1":
        try:
            stubs = stand_in_for_missing_libraries(cache, Path(libtorch) / "lib")
        except (OSError, subprocess.CalledProcessError) as error:
            unavailable(f"cannot build stand-ins for CUDA libraries: {error}")
        path = f"{stubs}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        environment = dict(os.environ, TORCH_FILES_STUBS="1", LD_LIBRARY_PATH=path)
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    sys.path[:0] = [str(Path(libtorch).parent), str(packages)]
    # Functions of the stand-ins are looked up when they are called, which they never are.
    sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
    for _ in range(12):
        for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        try:
            return importlib.import_module("torch")
        except ModuleNotFoundError as error:
            wanted = (error.name or "").split(".")[0]
            if not wanted or wanted == "torch":
                unavailable(error)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), wanted]
            done = subprocess.run(pip, capture_output=True, text=True)
            if done.returncode != 0:
                unavailable(f"{wanted} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
            # Half-imported extensions cannot be imported twice: begin again.
            os.execve(sys.executable, [sys.executable, *sys.argv], dict(os.environ))
        except (ImportError, OSError) as error:
            unavailable(error)
    unavailable("too many packages are missing")


def manifest(tensors):
    import torch

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


def tensors(torch):
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


def write(torch, folder):
    import random
    import types

    module = types.ModuleType("lib.train.admin.settings")
    module.Settings = Settings
    Settings.__module__ = "lib.train.admin.settings"
    for name in ("lib", "lib.train", "lib.train.admin"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["lib.train.admin.settings"] = module

    net = tensors(torch)
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


def main():
    cache, verb, path = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    torch = import_torch(cache)
    if verb == "write":
        write(torch, path)
    else:
        loaded = torch.load(path, weights_only=True)
        rest = {key: value for key, value in loaded.items() if isinstance(value, (int, str))}
        print(json.dumps({"net": manifest(loaded["net"]), "rest": rest}))


main()
