"""Which rule follows which operation. An operation without a rule keeps all channels that enter it.

Operations are those of torch's dispatcher (aten), in which every module ends.
"""

from typing import Any

import torch

from compressor.prune.coupling.attention_rules import INSIDE
from compressor.prune.coupling.call import Call, Rule, pointwise, unknown
from compressor.prune.coupling.layer_rules import (
    along_axis,
    attention,
    batch_norm,
    convolution,
    group_norm,
    layer_norm,
    matrix_product,
    reduction,
    spatial,
)
from compressor.prune.coupling.trail import Trail
from compressor.prune.coupling.view_rules import (
    concatenate,
    cut_out,
    expand,
    fresh,
    pad,
    permute,
    reshape,
    restride,
    split,
)
from compressor.prune.skeleton import tensors_in


def follow(trail: Trail, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """Apply the rule of an operation."""
    name = func.overloadpacket.__name__.rstrip("_") or func.overloadpacket.__name__
    call = Call(name=name, args=(*args, *kwargs.values()), output=output)
    if not tensors_in(list(call.args)):
        return
    rule = (INSIDE.get(name) if trail.attention is not None else None) or RULES.get(name)
    if rule is None and torch.Tag.pointwise in func.tags:
        rule = pointwise
    (rule or unknown)(trail, call)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            *("clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh", "dropout", "native_dropout"),
            *("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like", "full_like", "bernoulli"),
            *("hardswish", "copy", "fill", "masked_fill", "hardtanh", "_prelu_kernel"),
        ),
        pointwise,
    ),
    "convolution": convolution,
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), matrix_product),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math",
        ),
        attention,
    ),
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"),
        batch_norm,
    ),
    **dict.fromkeys(("_batch_norm_with_update", "_batch_norm_no_update"), batch_norm),
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(
        (
            *("max_pool2d_with_indices", "avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"),
            *("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa"),
            *("_upsample_bicubic2d_aa", "reflection_pad2d", "replication_pad2d"),
        ),
        spatial(2),
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "var_mean", "linalg_vector_norm"), reduction),
    **dict.fromkeys(("_softmax", "_log_softmax", "roll", "flip"), along_axis),
    "cat": concatenate,
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze"), reshape),
    **dict.fromkeys(("permute", "transpose", "t"), permute),
    **dict.fromkeys(("split", "split_with_sizes"), split),
    **dict.fromkeys(("slice", "select", "unbind"), cut_out),
    **dict.fromkeys(("expand", "repeat"), expand),
    "constant_pad_nd": pad,
    "as_strided": restride,
    **dict.fromkeys(("new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided"), fresh),
}
