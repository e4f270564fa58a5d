"""Plans of training clips from a folder in GOT-10k layout: one template and five search frames each, as trackers are
trained on them. No pixel is read here, so that loaders differ in how they read and in nothing else."""

import math
import os
import random
import time

SEARCH_FRAMES, GAP = 5, 70
TEMPLATE = dict(size=192, factor=2.0, centre=0.0, scale=0.0)
SEARCH = dict(size=384, factor=5.0, centre=4.5, scale=0.5)


class Sequences:
    """Boxes, visible frames and frame sizes of all sequences below `root`/train."""

    def __init__(self, root):
        self.all = []
        train = os.path.join(root, "train")
        for name in sorted(entry.name for entry in os.scandir(train) if entry.is_dir()):
            folder = os.path.join(train, name)
            lines = lambda file: [line for line in open(os.path.join(folder, file)).read().split("\n") if line.strip()]
            boxes = [tuple(map(float, line.split(","))) for line in lines("groundtruth.txt")]
            visible = [True] * len(boxes)
            if os.path.exists(os.path.join(folder, "absence.label")):
                visible = [int(a) == 0 for a in lines("absence.label")]
            frames = sorted(file for file in os.listdir(folder) if file.endswith(".jpg"))
            self.all.append(([os.path.join(folder, frame) for frame in frames], boxes, visible, jpeg_size(os.path.join(folder, frames[0]))))

    def clip(self, draw):
        """Frames as (path, x, y, side, output size, frame size, flip, grey, brightness)."""
        while True:
            paths, boxes, visible, size = self.all[draw.randrange(len(self.all))]
            chosen = frames(visible, draw)
            if chosen is None:
                continue
            flip, grey = draw.random() < 0.5, draw.random() < 0.05
            windows = [window(boxes[frame], SEARCH if index else TEMPLATE, draw) for index, frame in enumerate(chosen)]
            if all(overlaps(found, size) for found in windows):
                return [
                    (paths[frame], *found, (SEARCH if index else TEMPLATE)["size"], size, flip, grey, draw.uniform(0.8, 1.2))
                    for index, (frame, found) in enumerate(zip(chosen, windows))
                ]


def frames(visible, draw):
    """A template and five later frames, at most GAP apart; half of the clips run backwards."""
    shown = [index for index, seen in enumerate(visible) if seen]
    chosen = [draw.choice(shown)]
    while len(chosen) <= SEARCH_FRAMES:
        later = [index for index in shown if chosen[-1] < index <= chosen[-1] + GAP]
        if not later:
            return None
        # Leave room for those that follow.
        chosen.append(draw.choice(later[: max(1, len(later) // (SEARCH_FRAMES + 2 - len(chosen)))]))
    return chosen if draw.random() < 0.5 else [chosen[-1], *reversed(chosen[:-1])]


def window(box, crop, draw):
    x, y, w, h = box
    jw, jh = (side * math.exp(draw.gauss(0, 1) * crop["scale"]) for side in (w, h))
    reach = math.sqrt(jw * jh) * crop["centre"]
    cx, cy = (c + reach * (draw.random() - 0.5) for c in (x + w / 2, y + h / 2))
    side = max(1, math.ceil(math.sqrt(jw * jh) * crop["factor"]))
    return round(cx - side / 2), round(cy - side / 2), side


def overlaps(found, size):
    x, y, side = found
    return x < size[0] - 1 and y < size[1] - 1 and x + side > 0 and y + side > 0


def jpeg_size(path):
    data = open(path, "rb").read(1 << 16)
    at = 2
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length


def measure(batches, batch_size, seconds, name):
    """Prints the median rate over windows of ten seconds, after some warming up."""
    batches, begin = iter(batches), time.time()
    while time.time() - begin < min(10, seconds / 4):
        next(batches)
    rates, window_length = [], min(10, seconds)
    while len(rates) < max(1, round(seconds / window_length)):
        start, count = time.time(), 0
        while time.time() - start < window_length:
            next(batches)
            count += 1
        rates.append(count * batch_size / (time.time() - start))
    print(f"{name}\t{sorted(rates)[len(rates) // 2]:.1f}", flush=True)
