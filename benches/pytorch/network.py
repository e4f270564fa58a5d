"""HIPTrack with a condition head in PyTorch, for comparisons: the same network as trackflow's, with the same state names.

Two styles of the same mathematics. `reference` runs as the published code does: one backbone pass a frame that embeds
the template anew, attention with its matrix, masks drawn clip by clip on the host. `tuned` is what a skilled engineer
makes of it: one pass over all frames, fused attention, masks by tensor operations.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Sizes:
    """The defaults are the reference's: ViT-B/16 on a template of 192 and search regions of 384 pixels."""

    template: int = 192
    search: int = 384
    patch: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    cuts: tuple = (3, 6, 9)
    stem: int = 64
    stages: tuple = (64, 128, 256)
    key: int = 64
    head: int = 256
    hidden: int = 512
    classes: int = 10
    drop_path: float = 0.1

    @property
    def grid_z(self):
        return self.template // self.patch

    @property
    def grid_x(self):
        return self.search // self.patch


SIZES = {
    "vit_base": Sizes(),
    "vit_large": Sizes(dim=1024, depth=24, heads=16),
    "tiny": Sizes(template=32, search=64, dim=32, depth=3, heads=2, cuts=(1,), stem=8, stages=(8, 8, 8), key=8,
                  head=16, hidden=16),
}


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


def centre_token(grid):
    """The template token in the middle (CTR_POINT), the upper left of the four of an even grid."""
    return (grid - 1) // 2 * (grid + 1)


class Block(nn.Module):
    def __init__(self, sizes, index):
        super().__init__()
        dim = sizes.dim
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, sizes.heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)
        self.rate = sizes.drop_path * index / max(sizes.depth - 1, 1)
        self.cuts = index in sizes.cuts
        self.row = centre_token(sizes.grid_z)

    def drop_path(self, x):
        if not self.training or self.rate == 0.0:
            return x
        kept = torch.empty(x.shape[0], 1, 1, device=x.device, dtype=x.dtype).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)

    def attend(self, x, tuned):
        batch, count, dim = x.shape
        heads = self.attn.heads
        qkv = self.attn.qkv(x).reshape(batch, count, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        scale = (dim // heads) ** -0.5
        if tuned:
            mixed = F.scaled_dot_product_attention(query, key, value)
            rows = query[:, :, self.row : self.row + 1] if self.cuts else None
            paid = None if rows is None else ((rows.detach() @ key.detach().transpose(-2, -1)) * scale).softmax(-1)
        else:
            weights = ((query @ key.transpose(-2, -1)) * scale).softmax(-1)
            mixed = weights @ value
            paid = weights[:, :, self.row : self.row + 1]
        return self.attn.proj(mixed.transpose(1, 2).reshape(batch, count, dim)), paid

    def forward(self, x, places, template, keep, tuned):
        attended, paid = self.attend(self.norm1(x), tuned)
        x = x + self.drop_path(attended)
        removed = None
        left = x.shape[1] - template
        kept = math.ceil(keep * left)
        if self.cuts and kept < left:
            score = paid[..., template:].mean(2).mean(1)
            order = score.sort(dim=1, descending=True).indices
            search = x[:, template:].gather(1, order[:, :kept].unsqueeze(-1).expand(-1, -1, x.shape[2]))
            x = torch.cat([x[:, :template], search], 1)
            removed = places.gather(1, order[:, kept:])
            places = places.gather(1, order[:, :kept])
        return x + self.drop_path(self.mlp(self.norm2(x))), places, removed


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, image):
        return self.proj(image).flatten(2).transpose(1, 2)


class Backbone(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        token = lambda count: nn.Parameter(torch.randn(1, count, sizes.dim) * 0.02)
        self.cls_token, self.pos_embed = token(1), token(14 * 14 + 1)
        self.temporal_pos_embed_x, self.temporal_pos_embed_z = token(1), token(1)
        self.pos_embed_z, self.pos_embed_x = token(sizes.grid_z**2), token(sizes.grid_x**2)
        self.patch_embed = PatchEmbed(sizes.dim, sizes.patch)
        self.blocks = nn.ModuleList(Block(sizes, index) for index in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.dim, eps=1e-6)

    def forward(self, template, search, keep, tuned):
        """Tokens `[B, Z + X, C]` after the final norm, and what each cut removed."""
        z = self.patch_embed(template) + self.pos_embed_z + self.temporal_pos_embed_z
        x = self.patch_embed(search) + self.pos_embed_x + self.temporal_pos_embed_x
        z = z.repeat(x.shape[0] // z.shape[0], 1, 1)
        count_z, count_x = z.shape[1], x.shape[1]
        places = torch.arange(count_x, device=x.device).repeat(x.shape[0], 1)
        tokens, removed = torch.cat([z, x], 1), []
        for block in self.blocks:
            tokens, places, cut = block(tokens, places, count_z, keep, tuned)
            removed += [] if cut is None else [cut]
        tokens = self.norm(tokens)
        if removed:
            z, x = tokens[:, :count_z], tokens[:, count_z:]
            empty = torch.zeros(x.shape[0], count_x, x.shape[2], device=x.device, dtype=x.dtype)
            x = empty.scatter(1, places.unsqueeze(-1).expand(-1, -1, x.shape[2]), x)
            tokens = torch.cat([z, x], 1)
        return tokens, removed


class ResBlock(nn.Module):
    def __init__(self, width_in, width_out):
        super().__init__()
        self.downsample = nn.Conv2d(width_in, width_out, 3, padding=1) if width_in != width_out else None
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1)

    def forward(self, x):
        residual = self.conv2(F.relu(self.conv1(F.relu(x))))
        return residual + (x if self.downsample is None else self.downsample(x))


class BasicBlock(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width_in, width_out, 3, stride, 1), nn.BatchNorm2d(width_out)
        self.conv2, self.bn2 = nn.Conv2d(width_out, width_out, 3, 1, 1), nn.BatchNorm2d(width_out)
        same = width_in == width_out and stride == 1
        shortcut = lambda: nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride), nn.BatchNorm2d(width_out))
        self.downsample = None if same else shortcut()

    def forward(self, x):
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(residual + (x if self.downsample is None else self.downsample(x)))


class Cbam(nn.Module):
    def __init__(self, width):
        super().__init__()
        hidden = width // 16
        self.ChannelGate = nn.Module()
        self.ChannelGate.mlp = nn.Sequential(nn.Flatten(), nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.SpatialGate = nn.Module()
        self.SpatialGate.spatial = nn.Module()
        self.SpatialGate.spatial.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x):
        gate = self.ChannelGate.mlp(x.mean((2, 3))) + self.ChannelGate.mlp(x.flatten(2).max(2).values)
        x = x * gate.sigmoid()[..., None, None]
        pooled = torch.cat([x.max(1, keepdim=True).values, x.mean(1, keepdim=True)], 1)
        return x * self.SpatialGate.spatial.conv(pooled).sigmoid()


class Fuser(nn.Module):
    def __init__(self, width_in, width_out):
        super().__init__()
        self.block1 = ResBlock(width_in, width_out)
        self.attention = Cbam(width_out)
        self.block2 = ResBlock(width_out, width_out)

    def forward(self, x):
        x = self.block1(x)
        return self.block2(x + self.attention(x))


class Encoder(nn.Module):
    """ResNet-18's stem and three stages on image and mask, fused with the backbone's features."""

    def __init__(self, sizes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, sizes.stem, 7, 2, 3), nn.BatchNorm2d(sizes.stem)
        width = sizes.stem
        for number, (to, stride) in enumerate(zip(sizes.stages, (1, 2, 2)), 1):
            setattr(self, f"layer{number}", nn.Sequential(BasicBlock(width, to, stride), BasicBlock(to, to, 1)))
            width = to
        self.fuser = Fuser(width + sizes.dim, sizes.dim // 2)

    def forward(self, image, mask, features):
        x = F.relu(self.bn1(self.conv1(torch.cat([image, mask], 1))))
        x = self.layer3(self.layer2(self.layer1(F.max_pool2d(x, 3, 2, 1))))
        return self.fuser(torch.cat([x, features], 1))
