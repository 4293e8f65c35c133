"""Factories of tiny transformers and a tiny shuffle network, of the classes that people use. Heads are 4 channels wide.

A file of its own, so that `--arch path/to/attention_nets.py:tiny_vit` rebuilds them.
"""

import torch
from torch import Tensor, nn
from torchvision.models import ShuffleNetV2
from torchvision.models.maxvit import MaxVit
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformer, SwinTransformerBlockV2
from torchvision.models.vision_transformer import VisionTransformer

SHAPES = {
    "tiny_vit": (3, 8, 8),
    "tiny_swin": (3, 16, 16),
    "tiny_swin_v2": (3, 16, 16),
    "tiny_maxvit": (3, 32, 32),
    "tiny_shuffle": (3, 64, 64),
    "tiny_encoder": (3, 8, 8),
    "tiny_timm": (3, 8, 8),
}
"""Factory to the input that its networks take."""


def tiny_vit() -> nn.Module:
    """Return a vision transformer: 2 layers, 2 heads, width 8."""
    return VisionTransformer(
        image_size=8,
        patch_size=4,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=12,
        num_classes=10,
        representation_size=6,
    )


def tiny_swin() -> nn.Module:
    """Return a Swin transformer: stages of width 8 and 16 with 2 and 4 heads, shifted windows in both."""
    return SwinTransformer(
        patch_size=[2, 2], embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=[2, 2], num_classes=10
    )


def tiny_swin_v2() -> nn.Module:
    """Return the same with cosine attention, positions computed by a small network, and norms after the layers."""
    return SwinTransformer(
        patch_size=[2, 2],
        embed_dim=8,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=[2, 2],
        num_classes=10,
        block=SwinTransformerBlockV2,
        downsample_layer=PatchMergingV2,
    )


def tiny_maxvit() -> nn.Module:
    """Return a MaxViT: blocks of width 8 and 16 with 2 and 4 heads."""
    return MaxVit(
        input_size=(32, 32),
        stem_channels=8,
        partition_size=2,
        block_channels=[8, 16],
        block_layers=[1, 1],
        head_dim=4,
        stochastic_depth_prob=0.0,
        num_classes=10,
    )


def tiny_shuffle() -> nn.Module:
    """Return a ShuffleNet V2 whose first stage of 16 channels has one unit that splits the channels."""
    return ShuffleNetV2([2, 1, 1], [8, 16, 16, 16, 12], num_classes=10)


class _Encoder(nn.Module):
    """Patches through one of torch's own encoder layers, whose attention has no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, bias=False)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.layer(self.embed(images).flatten(2).transpose(1, 2)).mean(1))


def tiny_encoder() -> nn.Module:
    """Return a classifier around `nn.TransformerEncoderLayer`."""
    return _Encoder()


def tiny_timm(*, normed: bool = False) -> nn.Module:
    """Return timm's vision transformer: its heads may have another width than its stream of 8 channels."""
    import timm

    return timm.models.VisionTransformer(
        img_size=8,
        patch_size=4,
        embed_dim=8,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        num_classes=10,
        qk_norm=normed,
    )


def shaken(model: nn.Module) -> nn.Module:
    """Return the model with numbers in every parameter and statistic that make each of them matter."""
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        scale = 1 / (parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 2)
        parameter.data.normal_(0, scale, generator=generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()
