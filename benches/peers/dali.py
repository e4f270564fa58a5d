"""NVIDIA DALI on the CPU with window decoding: `dali.py ROOT WORKERS SECONDS`."""

import random
import sys

import numpy as np
from nvidia.dali import fn, pipeline_def, types

from clips import Sequences, measure

BATCH = 8


class Source:
    """Clips frame by frame: the encoded files and what to do with them."""

    def __init__(self, root, template):
        self.sequences, self.draw, self.template = Sequences(root), random.Random(1), template

    def __call__(self):
        clips = [self.sequences.clip(self.draw) for _ in range(BATCH)]
        frames = [clip[0] for clip in clips] if self.template else [frame for clip in clips for frame in clip[1:]]
        data, starts, shapes, pads = [], [], [], []
        for path, x, y, side, _, size, *_ in frames:
            data.append(np.fromfile(path, np.uint8))
            x0, y0, x1, y1 = max(0, x), max(0, y), min(size[0], x + side), min(size[1], y + side)
            starts.append(np.int64([y0, x0]))
            shapes.append(np.int64([y1 - y0, x1 - x0]))
            pads.append((np.float32([y - y0, x - x0]), np.float32([side, side])))
        flips = [np.int32(frame[6]) for frame in frames]
        bright = [np.float32(frame[8]) for frame in frames]
        return data, starts, shapes, [pad[0] for pad in pads], [pad[1] for pad in pads], flips, bright


def crops(source, size):
    data, start, shape, anchor, side, flip, bright = fn.external_source(source=source, num_outputs=7)
    pixels = fn.decoders.image_slice(data, start, shape, axis_names="HW", normalized_anchor=False, normalized_shape=False)
    pixels = fn.slice(pixels, anchor, side, axis_names="HW", normalized_anchor=False, normalized_shape=False, out_of_bounds_policy="pad")
    pixels = fn.resize(pixels, resize_x=size, resize_y=size, antialias=False)
    pixels = fn.brightness(pixels, brightness=bright)
    mean, std = [255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)]
    return fn.crop_mirror_normalize(pixels, dtype=types.FLOAT, mean=mean, std=std, mirror=flip)


def pipeline(root, workers, template):
    @pipeline_def(batch_size=BATCH * (1 if template else 5), num_threads=workers, device_id=None, prefetch_queue_depth=2)
    def define():
        return crops(Source(root, template), 192 if template else 384)

    made = define()
    made.build()
    return made


if __name__ == "__main__":
    root, workers, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    both = [pipeline(root, workers, template) for template in (True, False)]

    def batches():
        while True:
            yield [one.run() for one in both]

    measure(batches(), BATCH, seconds, "NVIDIA DALI, windows")
