"""The loss of a clip: GIoU, L1 and focal loss of the boxes, cross-entropy of the condition; summed over the frames."""

import math

import torch
import torch.nn.functional as F

GIOU, L1, CLASS = 2.0, 5.0, 0.1


def corners_of_centred(boxes):
    centre, half = boxes[..., :2], boxes[..., 2:] * 0.5
    return torch.cat([centre - half, centre + half], -1)


def corners(boxes):
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def generalised_iou(a, b):
    area = lambda x: (x[..., 2:] - x[..., :2]).prod(-1)
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    union = area(a) + area(b) - inner
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    iou = inner / union
    return iou - (hull - union) / hull, iou


def radius(width, height, least=0.7, sqrt=math.sqrt):
    """CenterNet's radius as the reference computes it (its first two roots divide by 2 instead of 2a)."""
    b1, c1 = height + width, width * height * (1 - least) / (1 + least)
    b2, c2 = 2 * (height + width), (1 - least) * width * height
    b3, c3 = -2 * least * (height + width), (least - 1) * width * height
    roots = ((b1, 1, c1), (b2, 4, c2), (b3, 4 * least, c3))
    return [(b + sqrt(b * b - 4 * a * c)) / 2 for b, a, c in roots]


def heat_maps_by_loop(boxes, grid):
    """`[B, G, G]` for `boxes` `[B, 4]`, one by one on the host."""
    maps = torch.zeros(len(boxes), grid, grid)
    for map, box in zip(maps, (boxes * grid).cpu()):
        x, y, w, h = box.tolist()
        cx, cy = round(x + w / 2), round(y + h / 2)
        r = max(0, int(min(radius(w, h))))
        sigma = (2 * r + 1) / 6
        line = torch.arange(-r, r + 1, dtype=torch.float64)
        bell = torch.exp(-(line[None, :] ** 2 + line[:, None] ** 2) / (2 * sigma * sigma)).float()
        left, right, top, bottom = min(cx, r), min(grid - cx, r + 1), min(cy, r), min(grid - cy, r + 1)
        if left + right > 0 and top + bottom > 0:
            part = map[cy - top : cy + bottom, cx - left : cx + right]
            torch.maximum(part, bell[r - top : r + bottom, r - left : r + right], out=part)
    return maps.to(boxes.device)


def heat_maps_by_tensors(boxes, grid):
    """The same for `boxes` `[.., 4]` without the host."""
    x, y, w, h = (boxes * grid).unbind(-1)
    r = torch.stack(radius(w, h, sqrt=torch.sqrt)).amin(0).clamp_min(0).trunc().double()
    sigma = (2 * r + 1) / 6
    cell = torch.arange(grid, device=boxes.device, dtype=torch.float64)
    dx = (cell - (x + w / 2).round().double().unsqueeze(-1)).unsqueeze(-2)
    dy = (cell - (y + h / 2).round().double().unsqueeze(-1)).unsqueeze(-1)
    r, sigma = r[..., None, None], sigma[..., None, None]
    bell = torch.exp(-(dx**2 + dy**2) / (2 * sigma * sigma))
    return (bell * (dx.abs() <= r) * (dy.abs() <= r)).float()


def focal(score, target):
    """CornerNet's focal loss by frame: the last three dimensions are summed and divided by the number of peaks."""
    score = score.clamp_min(1e-12)
    peak = target.eq(1).float()
    attract = score.log() * (1 - score) ** 2 * peak
    repel = (1 - score).log() * score**2 * (1 - target) ** 4 * target.lt(1).float()
    return -(attract + repel).sum((-3, -2, -1)) / peak.sum((-3, -2, -1)).clamp_min(1)


def loss_by_frames(outputs, boxes, labels):
    """The published way: one frame after the other, and every number is fetched at once."""
    total, numbers = None, []
    for frame, truth, label in zip(outputs, boxes, labels):
        if torch.isnan(frame.boxes).any():
            raise ValueError("the network's output is NaN")
        target = heat_maps_by_loop(truth, frame.score.shape[-1])
        predicted, true = corners_of_centred(frame.boxes), corners(truth).clamp(0, 1)
        assert (predicted[:, 2:] >= predicted[:, :2]).all() and (true[:, 2:] >= true[:, :2]).all()
        giou, iou = generalised_iou(predicted, true)
        giou, l1 = (1 - giou).mean(), F.l1_loss(predicted, true)
        location = focal(frame.score.squeeze(1), target)
        known = label >= 0
        class_loss = frame.logits.sum() * 0.0
        accuracy = torch.zeros((), device=truth.device)
        if known.any():
            class_loss = F.cross_entropy(frame.logits[known], label[known])
            accuracy = (frame.logits[known].argmax(1) == label[known]).float().mean()
        track = GIOU * giou + L1 * l1 + location
        loss = track + CLASS * class_loss
        numbers.append([x.item() for x in (giou, l1, location, class_loss, track, loss, iou.mean(), accuracy)])
        total = loss if total is None else total + loss
    return total, numbers


def loss_at_once(outputs, boxes, labels):
    """All frames together; the numbers stay on the device."""
    stack = lambda part: torch.stack([getattr(frame, part) for frame in outputs])
    predicted, true = corners_of_centred(stack("boxes")), corners(boxes).clamp(0, 1)
    giou, iou = generalised_iou(predicted, true)
    giou, iou = (1 - giou).mean(1), iou.mean(1)
    l1 = (predicted - true).abs().mean((1, 2))
    score = stack("score").squeeze(2)
    location = focal(score, heat_maps_by_tensors(boxes, score.shape[-1]))
    logits, known = stack("logits"), labels >= 0
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none")
    count = known.sum(1).clamp_min(1)
    class_loss = each.view_as(labels).sum(1) / count
    accuracy = ((logits.argmax(-1) == labels) & known).sum(1) / count
    track = GIOU * giou + L1 * l1 + location
    loss = track + CLASS * class_loss
    numbers = torch.stack([giou, l1, location, class_loss, track, loss, iou, accuracy], 1)
    return loss.sum(), numbers.detach()
