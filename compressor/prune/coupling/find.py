"""One verb: model in, coupling graph out."""

from torch import nn

from compressor.errors import PruneError
from compressor.prune.coupling.depgraph import read_depgraph
from compressor.prune.coupling.graph import CouplingGraph
from compressor.prune.coupling.groups import gather
from compressor.prune.coupling.trace import trace
from compressor.prune.skeleton import explained, skeleton

OWN_SOURCE = "own tracing"


def trace_coupling(
    model: nn.Module, input_shape: tuple[int, int, int], *, with_torch_pruning: bool = True
) -> CouplingGraph:
    """Find out which channels leave together, which stay, and what each weight costs.

    The trace sees every operation, so it alone is enough. Where torch-pruning is at home, its ties are added: a tie
    that either of them missed is not lost.

    Args:
        model: any classifier; not changed, and no images are computed.
        input_shape: (C, H, W).
        with_torch_pruning: off: only the trace.

    Raises:
        PruneError: the forward pass cannot be followed, or no layer has filters that could leave.
    """
    empty = skeleton(model)
    with explained(input_shape):
        labels, products = trace(empty, input_shape)
    library = read_depgraph(labels, empty, input_shape) if with_torch_pruning else None
    groups, left_out = gather(labels, products, empty)
    source = OWN_SOURCE if library is None else f"{library} and {OWN_SOURCE}"
    if not products:
        raise PruneError(
            "this model has no convolution or linear layer that could be followed",
            advice="compress prunes image classifiers made of convolutions and linear layers",
        )
    return CouplingGraph(
        groups=groups,
        left_out=left_out,
        products=tuple(products.values()),
        source=source,
        has_bare_norms=labels.has_bare_norms,
    )
