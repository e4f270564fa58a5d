"""The whole tracker: backbone, historical prompts, box head and condition head, over the frames of a clip."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from network import Backbone, Encoder, ResBlock


class BoxHead(nn.Module):
    def __init__(self, dim, width):
        super().__init__()
        for name, outputs in (("ctr", 1), ("offset", 2), ("size", 2)):
            last = dim
            for layer in range(4):
                to = width >> layer
                conv = nn.Sequential(nn.Conv2d(last, to, 3, padding=1), nn.BatchNorm2d(to), nn.ReLU(inplace=True))
                setattr(self, f"conv{layer + 1}_{name}", conv)
                last = to
            setattr(self, f"conv5_{name}", nn.Conv2d(last, outputs, 1))

    def tower(self, name, x):
        for layer in range(5):
            x = getattr(self, f"conv{layer + 1}_{name}")(x)
        return x.float()

    def forward(self, x):
        bounded = lambda map: map.sigmoid().clamp(1e-4, 1 - 1e-4)
        return bounded(self.tower("ctr", x)), bounded(self.tower("size", x)), self.tower("offset", x)


def box_at_peak(score, size, offset):
    grid = score.shape[-1]
    peak = score.flatten(1).max(1, keepdim=True).indices
    at = lambda map: map.flatten(2).gather(2, peak.unsqueeze(1).expand(-1, 2, 1)).squeeze(2)
    centre = torch.cat([peak % grid, torch.div(peak, grid, rounding_mode="trunc")], 1).float()
    return torch.cat([(centre + at(offset)) / grid, at(size)], 1)


class ConditionHead(nn.Module):
    def __init__(self, dim, hidden, classes):
        super().__init__()
        self.cls_projection = nn.Linear(dim, hidden)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, pooled):
        hidden = F.dropout(F.relu(self.cls_projection(pooled)), 0.1, self.training)
        return self.classifier(hidden).float()


def edges_of(boxes, size, centred):
    """Pixel edges `[B, 4]` of normalised boxes, cut to whole pixels as the reference does."""
    if centred:
        centre, half = boxes[:, :2], boxes[:, 2:] * 0.5
        return (torch.cat([centre - half, centre + half], 1) * size).int()
    edges = (boxes * size).int()
    return torch.cat([edges[:, :2], edges[:, :2] + edges[:, 2:]], 1)


def mask_by_loop(boxes, removed, size, grid, centred):
    """The prompt encoder's mask, clip by clip on the host. The clamps of top and bottom edge are the reference's."""
    mask = torch.zeros(len(boxes), size, size, dtype=torch.uint8, device=boxes.device)
    patch = size // grid
    for row, box in enumerate(edges_of(boxes.detach(), size, centred)):
        x0, y0, x1, y1 = max(box[0].item(), 0), min(box[1].item(), size), min(box[2].item(), size), max(box[3].item(), 0)
        mask[row, y0:y1, x0:x1] = 1
        for token in torch.cat([cut[row] for cut in removed]) if removed else ():
            y, x = divmod(int(token), grid)
            mask[row, y * patch : (y + 1) * patch, x * patch : (x + 1) * patch] = 0
    return mask.unsqueeze(1)


def mask_by_tensors(boxes, removed, size, grid, centred):
    """The same mask without the host."""
    x0, y0, x1, y1 = edges_of(boxes.detach(), size, centred).split(1, 1)
    # Python counts a negative slice bound from the end; x0 and y1 are clamped at 0, y0 and x1 are not.
    wrapped = lambda edge: torch.where(edge < 0, (edge + size).clamp_min(0), edge)
    x0, y0, x1 = x0.clamp_min(0), wrapped(y0), wrapped(x1)
    pixel = torch.arange(size, device=boxes.device).unsqueeze(0)
    rows, columns = (pixel >= y0) & (pixel < y1), (pixel >= x0) & (pixel < x1)
    mask = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1).float()
    if removed:
        kept = torch.ones(len(boxes), grid * grid, device=boxes.device)
        kept = kept.scatter(1, torch.cat(removed, 1), 0.0).view(-1, 1, grid, grid)
        mask = mask * F.interpolate(kept, scale_factor=size // grid, mode="nearest")
    return mask


@dataclass
class Frame:
    """What the tracker says about one frame."""

    boxes: torch.Tensor
    score: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor
    logits: torch.Tensor
    removed: list


class Tracker(nn.Module):
    def __init__(self, sizes, tuned):
        super().__init__()
        self.sizes, self.tuned = sizes, tuned
        dim = sizes.dim
        self.backbone = Backbone(sizes)
        self.box_head = BoxHead(dim, sizes.head)
        self.HIP = nn.Module()
        self.HIP.encoder = Encoder(sizes)
        self.key_proj = nn.Module()
        self.key_proj.key_proj = nn.Conv2d(dim, sizes.key, 3, padding=1)
        self.key_comp = nn.Conv2d(dim, dim // 2, 3, padding=1)
        self.searchRegionFusion = ResBlock(dim, dim)
        self.cls_head = ConditionHead(dim, sizes.hidden, sizes.classes)
        self.frozen = False

    def freeze(self, frozen):
        self.frozen = frozen
        self.backbone.requires_grad_(not frozen)

    def mask(self, *args, **kwargs):
        return (mask_by_tensors if self.tuned else mask_by_loop)(*args, **kwargs)

    def features(self, template, search, keep):
        """Template and search features as maps, and the removed tokens."""
        # As in the reference's training the frozen backbone is not switched to evaluation; tuned code does.
        if self.tuned and self.frozen:
            self.backbone.eval()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            tokens, removed = self.backbone(template, search, keep, self.tuned)
        z, x = self.sizes.grid_z, self.sizes.grid_x
        as_map = lambda part, grid: part.transpose(1, 2).reshape(len(part), -1, grid, grid)
        return as_map(tokens[:, : z * z], z), as_map(tokens[:, z * z :], x), removed

    def template_memory(self, template, boxes, features):
        double = lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        image, features = double(template), double(features)
        mask = self.mask(boxes, [], image.shape[-1], self.sizes.grid_x, centred=False)
        return self.key_proj.key_proj(features), self.HIP.encoder(image, mask, features)

    def read(self, memory, key):
        keys = torch.cat([entry[0].flatten(2) for entry in memory], 2)
        values = torch.cat([entry[1].flatten(2) for entry in memory], 2)
        similarity = 2 * (keys.transpose(1, 2) @ key.flatten(2)) - keys.pow(2).sum(1).unsqueeze(2)
        affinity = (similarity / math.sqrt(keys.shape[1])).softmax(1)
        return (values @ affinity.to(values.dtype)).view(len(key), -1, *key.shape[2:])

    def predict(self, features, key, value, memory, removed):
        prompt = torch.cat([self.read(memory, key), value], 1)
        fused = self.searchRegionFusion(features + prompt)
        score, size, offset = self.box_head(fused)
        return Frame(box_at_peak(score, size, offset), score, size, offset, self.cls_head(fused.mean((2, 3))), removed)

    def forward(self, template, search, template_boxes, keep):
        """Frames of `search` `[N, B, 3, S, S]` one after the other, with the memory of those before."""
        frames, batch = search.shape[:2]
        if self.tuned:
            template_map, maps, cuts = self.features(template, search.flatten(0, 1), keep)
            keys, values = self.key_proj.key_proj(maps), self.key_comp(maps)
            part = lambda x, at: x[at * batch : (at + 1) * batch]
        memory, outputs = [], []
        for at in range(frames):
            if self.tuned:
                template_map = template_map[:batch]
                features, key, value = part(maps, at), part(keys, at), part(values, at)
                removed = [part(cut, at) for cut in cuts]
            else:
                template_map, features, removed = self.features(template, search[at], keep)
                key, value = self.key_proj.key_proj(features), self.key_comp(features)
            if at == 0:
                memory.append(self.template_memory(template, template_boxes, template_map))
            output = self.predict(features, key, value, memory if at == 0 else memory[1:], removed)
            outputs.append(output)
            if at + 1 < frames:
                mask = self.mask(output.boxes, removed, search.shape[-1], self.sizes.grid_x, centred=True)
                memory.append((key, self.HIP.encoder(search[at], mask, features)))
        return outputs
