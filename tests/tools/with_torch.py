"""Real PyTorch for tests: runs a command in an environment in which python3 imports torch.

    with_torch.py CACHE COMMAND [ARGUMENT …]

It is the torch of this Python, or else the one in the folder above $LIBTORCH. That one may be there without the CUDA
libraries and Python packages that it names: empty libraries stand in for the former, as nothing here runs on a GPU, and
the latter are installed into CACHE. Exit code 75 says that no torch is to be had, and why; any other is the command's.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

UNAVAILABLE = 75

# Functions of the stand-ins are looked up when they are called, which they never are.
LAZY = "import os, sys\nsys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)\n"


def unavailable(why):
    print(f"no torch: {why}")
    sys.exit(UNAVAILABLE)


def stand_in_for_missing_libraries(stubs, lib):
    """Empty libraries for those that torch's own name and this machine lacks."""
    listed = subprocess.run(["ldd", *map(str, lib.glob("*.so*"))], capture_output=True, text=True).stdout
    stubs.mkdir(parents=True, exist_ok=True)
    source = stubs / "empty.c"
    source.write_text("")
    for name in sorted(set(re.findall(r"(\S+) => not found", listed))):
        if not (stubs / name).exists():
            building = ["cc", "-shared", f"-Wl,-soname,{name}", "-o", str(stubs / name), str(source)]
            subprocess.run(building, check=True, capture_output=True)


def importing(environment):
    """What `import torch` says there; nothing when it works."""
    done = subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def environment(cache):
    mine = dict(os.environ)
    if not importing(mine):
        return mine
    libtorch = mine.get("LIBTORCH")
    if not libtorch or not (Path(libtorch) / "__init__.py").exists():
        unavailable("this Python has none, and LIBTORCH is not that of a Python package")
    stubs, packages, site = cache / "stubs", cache / "packages", cache / "site"
    try:
        stand_in_for_missing_libraries(stubs, Path(libtorch) / "lib")
        site.mkdir(parents=True, exist_ok=True)
        (site / "sitecustomize.py").write_text(LAZY)
    except (OSError, subprocess.CalledProcessError) as error:
        unavailable(f"cannot build stand-ins for CUDA libraries: {error}")
    for name, folders in (("LD_LIBRARY_PATH", [stubs]), ("PYTHONPATH", [site, Path(libtorch).parent, packages])):
        mine[name] = ":".join([*map(str, folders), *filter(None, [mine.get(name)])])
    for _ in range(12):
        error = importing(mine)
        if not error:
            return mine
        missing = re.match(r"ModuleNotFoundError: No module named '([^'.]+)", error)
        if not missing or missing[1] == "torch":
            unavailable(error)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), missing[1]]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode != 0:
            unavailable(f"{missing[1]} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    unavailable("too many packages are missing")


def main():
    cache, command = Path(sys.argv[1]), sys.argv[2:]
    os.execvpe(command[0], command, environment(cache))


main()
