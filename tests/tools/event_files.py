"""Real TensorBoard for the tests of event files.

    event_files.py CACHE FOLDER     prints {tag: [[step, value], …]} of what TensorBoard reads in FOLDER, as JSON

Uses the tensorboard of this Python, or installs it into CACHE. Exit code 75 says that none is to be had, and why.
"""

import json
import subprocess
import sys

UNAVAILABLE = 75


def unavailable(why):
    print(f"no tensorboard: {why}")
    sys.exit(UNAVAILABLE)


def accumulator(cache):
    sys.path.append(cache)
    try:
        from tensorboard.backend.event_processing import event_accumulator
    except ImportError:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", cache]
        done = subprocess.run([*pip, "tensorboard", "setuptools<81"], capture_output=True, text=True)
        if done.returncode != 0:
            unavailable(done.stderr.strip()[-300:])
        try:
            from tensorboard.backend.event_processing import event_accumulator
        except ImportError as error:
            unavailable(error)
    return event_accumulator


def main():
    cache, folder = sys.argv[1:]
    module = accumulator(cache)
    events = module.EventAccumulator(folder, size_guidance={module.SCALARS: 0})
    events.Reload()
    tags = events.Tags()
    # TensorBoard turns simple values into tensors as it reads.
    print(json.dumps({tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in tags["scalars"]}))


main()
