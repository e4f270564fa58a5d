"""A PyTorch DataLoader as a skilled engineer writes it: `loader.py full|window ROOT WORKERS SECONDS`.

full: whole frames by simplejpeg. window: only the window, by libjpeg-turbo 3 through ctypes (LIBTURBOJPEG names it)."""

import ctypes
import os
import random
import sys

import cv2
import numpy as np
import torch

from clips import Sequences, measure

cv2.setNumThreads(0)
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def whole(data, size, area):
    import simplejpeg

    x0, y0, x1, y1 = area
    return simplejpeg.decode_jpeg(data, "RGB")[y0:y1, x0:x1]


class Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "xywh"]


class Windows:
    """libjpeg-turbo's own window decoding; 16 pixels of margin make the pixels equal to a whole decode."""

    def __init__(self):
        self.library = ctypes.CDLL(os.environ["LIBTURBOJPEG"])
        self.library.tj3Init.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.library.tj3Init(1))
        size = ctypes.c_size_t
        self.library.tj3DecompressHeader.argtypes = [ctypes.c_void_p, ctypes.c_char_p, size]
        self.library.tj3SetCroppingRegion.argtypes = [ctypes.c_void_p, Region]
        self.library.tj3Decompress8.argtypes = [ctypes.c_void_p, ctypes.c_char_p, size, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]

    def __call__(self, data, size, area):
        x0, y0, x1, y1 = area
        left, top = max(0, x0 - 16) // 16 * 16, max(0, y0 - 16)
        right, bottom = min(size[0], x1 + 16), min(size[1], y1 + 16)
        pixels = np.empty((bottom - top, right - left, 3), np.uint8)
        failed = (
            self.library.tj3DecompressHeader(self.handle, data, len(data))
            or self.library.tj3SetCroppingRegion(self.handle, Region(left, top, right - left, bottom - top))
            or self.library.tj3Decompress8(self.handle, data, len(data), pixels.ctypes.data, 0, 0)
        )
        if failed:
            raise RuntimeError("libjpeg-turbo failed")
        return pixels[y0 - top : y1 - top, x0 - left : x1 - left]


def frame(decode, planned, out):
    path, x, y, side, crop, size, flip, grey, brightness = planned
    with open(path, "rb") as file:
        data = file.read()
    area = max(0, x), max(0, y), min(size[0], x + side), min(size[1], y + side)
    pixels = decode(data, size, area)
    border = area[1] - y, y + side - area[3], area[0] - x, x + side - area[2]
    if any(border):
        pixels = cv2.copyMakeBorder(pixels, *border, cv2.BORDER_CONSTANT)
    pixels = cv2.resize(pixels, (crop, crop))
    if grey:
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if flip:
        pixels = cv2.flip(pixels, 1)
    # Brightness, scaling to 0..1 and normalising in one table a channel.
    values = np.minimum(np.arange(256, dtype=np.float32) * np.float32(brightness / 255), 1)
    for channel in range(3):
        cv2.LUT(pixels[..., channel], ((values - MEAN[channel]) / STD[channel]).astype(np.float32), dst=out[channel])


class Clips(torch.utils.data.Dataset):
    def __init__(self, root, mode):
        self.sequences, self.mode, self.decode = Sequences(root), mode, None

    def __len__(self):
        return 1 << 30

    def __getitem__(self, index):
        if self.decode is None:
            self.decode = whole if self.mode == "full" else Windows()
        planned = self.sequences.clip(random.Random(index))
        template, search = np.empty((1, 3, 192, 192), np.float32), np.empty((5, 3, 384, 384), np.float32)
        for out, one in zip([*template, *search], planned):
            frame(self.decode, one, out)
        return torch.from_numpy(template), torch.from_numpy(search)


if __name__ == "__main__":
    mode, root, workers, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    batches = torch.utils.data.DataLoader(Clips(root, mode), batch_size=8, num_workers=workers)
    names = {"full": "PyTorch DataLoader, whole frames", "window": "PyTorch DataLoader, windows"}
    measure(batches, 8, seconds, names[mode])
