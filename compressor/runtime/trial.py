"""Does a provider work here? Only running something on it shows that; asked before hours of work that end with it."""

import numpy as np

from compressor.runtime.session import Session, open_session


def tried(provider: str) -> Session:
    """Run a tiny model on a provider.

    Args:
        provider: `cpu`, `cuda` or `tensorrt`.

    Returns:
        The session that ran.

    Raises:
        OptionError: an unknown provider.
        MachineError: it does not load here; the reason, and what repairs it.
    """
    session = open_session(_tiny_model(), provider=provider)
    session.run(np.zeros((2, *session.input_shape), dtype=np.float32))
    return session


def _tiny_model() -> bytes:
    """Return a classifier of one convolution, which on a GPU needs cuDNN too."""
    from onnx import TensorProto, helper

    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Conv", ["images", "weight"], ["features"], pads=[1, 1, 1, 1]),
                helper.make_node("Flatten", ["features"], ["logits"]),
            ],
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 4, 4])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 16])],
            [helper.make_tensor("weight", TensorProto.FLOAT, [1, 1, 3, 3], [0.5] * 9)],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())
