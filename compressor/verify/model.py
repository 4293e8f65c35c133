"""Is the ONNX file the slim checkpoint, and does it answer as was stored?"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from compressor.bundle.names import CHECKPOINT, MODEL, MODEL_ORT, PLAN, REPLAY
from compressor.bundle.replay_images import as_input
from compressor.evaluate import logits_of
from compressor.export.form import Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import MAX_REL
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.load.checkpoint import sha256_of_weights
from compressor.prune import Plan, count_cost
from compressor.records import parse
from compressor.runtime.session import Session, open_session
from compressor.types import Decision, InputForm, Precision
from compressor.verify.graphs import ModelProto, computed_in, is_same_but_for_ranges, is_same_computation, parsed
from compressor.verify.opened import Opened
from compressor.verify.record import Found, Status

MADE_BY = ("tool_version", "torch_version", "onnx_version", "onnxscript_version", "onnxruntime_version")
"""Notes in the ONNX file: versions that decide its bytes."""

RELEASED_BY = {"onnxruntime-gpu": "onnxruntime"}
"""Package to the library that it brings."""

NUM_MADE_UP = 8
"""Images of noise, where the bundle holds none."""

MAX_REL_ROUNDED = 0.02
"""Like `MAX_REL`, for the same fp16 or int8 file on two processors, which may round otherwise."""

SLACK = 1e-9
"""Of shares that are compared: the last bits of a quotient."""

AT_ONCE = 64
"""Images answered at once."""

Images = npt.NDArray[np.float32]


def check_checkpoint(opened: Opened) -> Found:
    """Load the slim checkpoint strictly, and compare it with what the ONNX file and the certificate say of it."""
    checkpoint, session = opened.checkpoint, opened.session
    digests = {sha256_of_file(opened.path(CHECKPOINT)), sha256_of_weights(checkpoint.model.state_dict())}
    wrong = []
    if session.metadata.get("checkpoint_sha256") not in digests:
        wrong.append(f"{MODEL} names another checkpoint, {session.metadata.get('checkpoint_sha256')}")
    if session.num_classes not in (None, checkpoint.num_classes):
        wrong.append(f"{MODEL} has {session.num_classes} classes, the checkpoint {checkpoint.num_classes}")
    if opened.is_certified:
        facts = opened.certificate.result.model
        cost = count_cost(checkpoint.model, checkpoint.input_shape)
        said = (facts.architecture, facts.params, facts.macs)
        found = (checkpoint.architecture, cost.params, cost.macs)
        if facts.sha256 not in digests:
            wrong.append(f"the certificate names another checkpoint, {facts.sha256}")
        wrong += _other_baseline(opened)
        if said != found:
            wrong.append(f"the certificate says {said} of architecture, parameters and MACs, found were {found}")
    if wrong:
        return Status.CONTRADICTED, "; ".join(wrong)
    who = f"{MODEL} and the certificate name it" if opened.is_certified else f"{MODEL} names it"
    detail = f"{CHECKPOINT} loads strictly as {checkpoint.architecture}; {who}"
    return Status.RECOMPUTED, detail


def _other_baseline(opened: Opened) -> list[str]:
    """Return what is wrong with the model that the certificate compares with: it must be the one that was pruned."""
    baseline = opened.certificate.result.baseline
    known = set(opened.checkpoint.parents)
    if PLAN in opened.bundle.names:
        known.add(parse(opened.path(PLAN).read_bytes(), Plan, source=PLAN).dense_sha256)
    if baseline is None or not known or baseline.sha256 in known:
        return []
    return [f"the certificate compares with {baseline.sha256[:12]}, and the checkpoint was made from another model"]


def check_plan(opened: Opened) -> Found:
    """Count the slim checkpoint, and compare it with what the plan says is left."""
    if PLAN not in opened.bundle.names:
        return Status.NOT_CHECKED, f"there is no {PLAN}: nothing was pruned here"
    said = parse(opened.path(PLAN).read_bytes(), Plan, source=PLAN).after
    found = count_cost(opened.checkpoint.model, opened.checkpoint.input_shape)
    if said != found:
        return Status.CONTRADICTED, f"{PLAN} leaves {said}, the checkpoint has {found}"
    detail = f"{found.filters:,} filters, {found.params:,} parameters and {found.macs:,} MACs, as {PLAN} says"
    return Status.RECOMPUTED, detail


def check_export(opened: Opened) -> Found:
    """Export the slim checkpoint again and compare: bytes with equal versions, otherwise the graphs, or answers."""
    session, shipped = opened.session, parsed(opened.path(MODEL).read_bytes())
    if (found := computed_in(shipped)) is not session.precision:
        return Status.CONTRADICTED, f"{MODEL} says {session.precision} of itself, and its graph computes in {found}"
    notes, is_int8 = session.metadata, session.precision is Precision.INT8
    fresh = export_onnx(
        opened.checkpoint,
        Form(
            opset=int(notes["opset"]),
            batch=notes["batch"],
            precision=session.precision,
            input_form=InputForm.UINT8_NHWC if session.takes_frames else InputForm.FLOAT_NCHW,
        ),
        calibration=_any_images(opened) if is_int8 else None,
        checkpoint_sha256=notes["checkpoint_sha256"],
    )
    if sha256_of_bytes(fresh) == opened.model_sha256:
        return Status.RECOMPUTED, f"a fresh export of {CHECKPOINT} gives {MODEL}, byte for byte"
    ours = open_session(fresh)
    if elsewhere := _made_elsewhere(opened, ours.metadata):
        return Status.CONTRADICTED, f"{MODEL} says {elsewhere}"
    others = [key for key in MADE_BY if notes.get(key) != ours.metadata.get(key)]
    if others:
        named = ", ".join(f"{key} {notes.get(key)} there, {ours.metadata.get(key)} here" for key in others)
        return _exported_by_others(opened, ours, parsed(fresh), shipped, named)
    if is_int8 and is_same_but_for_ranges(parsed(fresh), shipped):
        detail = "the same operators and weights; the ranges of activations come from select images, not in the bundle"
        return Status.CONSISTENT, f"a fresh export of {CHECKPOINT} has {detail}"
    detail = f"a fresh export of {CHECKPOINT} with the same versions gives other bytes than {MODEL}"
    return Status.CONTRADICTED, detail


def _exported_by_others(opened: Opened, ours: Session, fresh: ModelProto, shipped: ModelProto, named: str) -> Found:
    """Compare with a fresh export by other versions: its bytes differ, so operators and weights, or else answers."""
    precision = opened.session.precision
    if precision is not Precision.INT8 and is_same_computation(fresh, shipped):
        return Status.CONSISTENT, f"a fresh export has the same operators and weights as {MODEL} ({named})"
    if REPLAY not in opened.bundle.names:
        detail = f"bytes cannot be compared ({named}), and there is no {REPLAY} to compare answers on"
        return Status.NOT_CHECKED, detail
    images = _images(opened)
    fault, words = compare(answered(ours, images), answered(opened.session, images), limit=MAX_REL[precision])
    detail = (
        f"a fresh export by other versions ({named}) has another graph than {MODEL}; on {len(images)} stored images: "
        f"{words}. What {MODEL} does on others is known only where these versions are installed"
    )
    return Status.CONTRADICTED if fault else Status.NOT_CHECKED, detail


def _made_elsewhere(opened: Opened, written: Mapping[str, str]) -> str:
    """Return which version in the notes of the file is not that of the run that certified it; "" for none.

    Args:
        opened: the bundle.
        written: notes of a fresh export, which say what must be noted.
    """
    if not opened.is_certified:
        return ""
    certificate, notes = opened.certificate, opened.session.metadata
    ran = {RELEASED_BY.get(name, name): version for name, version in certificate.run.versions.items()}
    ran = {f"{name}_version": version for name, version in ran.items()} | {"tool_version": certificate.tool_version}
    for key in MADE_BY:
        said = notes.get(key, "none").partition("+")[0]
        if key in written and key in ran and said != ran[key].partition("+")[0]:
            return f"{key} {said}, and the run that certified it had {ran[key]}"
    return ""


def _any_images(opened: Opened) -> Images:
    """Return images for the ranges of a file that is compared without them."""
    if REPLAY in opened.bundle.names:
        return as_input(opened.replay.probe_images).astype(np.float32)
    return np.random.default_rng(0).random((NUM_MADE_UP, *opened.checkpoint.input_shape), dtype=np.float32)


def check_twin(opened: Opened) -> Found:
    """Compare torch with the ONNX file on the stored images, real and adversarial ones."""
    for name, parity in opened.bundle.parities.items():
        if parity.decision != Decision.PASSED:
            return Status.CONTRADICTED, f"{name} itself says {parity.decision}"
        if wrong := _at_odds(parity, opened.session.precision):
            return Status.CONTRADICTED, f"{name} passed with {wrong}"
    if REPLAY not in opened.bundle.names:
        return Status.NOT_CHECKED, f"there is no {REPLAY} to compare answers on"
    images = opened.session.seen(_images(opened))
    classifier = opened.checkpoint.classifier()
    expected = logits_of(classifier, torch.from_numpy(images), device=torch.device("cpu")).numpy()
    precision = opened.session.precision
    fault, words = compare(expected, answered(opened.session, images), limit=MAX_REL[precision])
    status = Status.CONTRADICTED if fault else Status.RECOMPUTED
    rounded = "" if precision is Precision.FP32 else f" ({precision} may differ by {MAX_REL[precision]:.0%})"
    return status, f"torch and {MODEL}, real and adversarial images: {words}{rounded}"


def _at_odds(parity: Parity, precision: Precision) -> str:
    """Return which figure of a parity record that passed cannot be; "" for none."""
    shares = {
        "agreement": parity.agreement,
        "accuracy_torch": parity.accuracy_torch,
        "accuracy_onnx": parity.accuracy_onnx,
    }
    impossible = [f"{name} {share}" for name, share in shares.items() if share is not None and not 0 <= share <= 1]
    impossible += [
        f"{name} {size}" for name, size in (("max_abs", parity.max_abs), ("max_rel", parity.max_rel)) if not size >= 0
    ]
    if parity.max_rel > MAX_REL[precision]:
        impossible.append(f"max_rel {parity.max_rel:.1e}, and {MAX_REL[precision]:.0e} is what may pass")
    if parity.precision not in (None, precision):
        impossible.append(f"precision {parity.precision}, and {MODEL} says {precision}")
    gap = (
        None
        if parity.accuracy_torch is None or parity.accuracy_onnx is None
        else abs(parity.accuracy_torch - parity.accuracy_onnx)
    )
    if gap is not None and gap > 1 - parity.agreement + SLACK:
        impossible.append(f"accuracies {gap:.1%} apart, and all but {1 - parity.agreement:.1%} of the answers agree")
    return "; ".join(impossible)


def check_replay(opened: Opened) -> Found:
    """Answer the stored images again and compare with the stored logits."""
    if REPLAY not in opened.bundle.names:
        return Status.NOT_CHECKED, f"there is no {REPLAY}"
    stored = opened.replay
    expected = np.concatenate([stored.probe_logits, stored.adversarial_logits])
    limit = rounding_limit(opened.session)
    fault, words = compare(expected, answered(opened.session, _images(opened)), limit=limit)
    num = f"{len(stored.probe_logits)} probe and {len(stored.adversarial_logits)} adversarial images"
    detail = f"stored and fresh answers of {MODEL}, {num}: {words}"
    if MODEL_ORT in opened.bundle.names:
        mobile = open_session(opened.path(MODEL_ORT).read_bytes())
        other, words = compare(expected, answered(mobile, _images(opened)), limit=limit)
        fault, detail = fault or other, f"{detail}; of {MODEL_ORT}: {words}"
    return Status.CONTRADICTED if fault else Status.RECOMPUTED, detail


def rounding_limit(session: Session) -> float:
    """Return how far the same file may differ on another processor, as a share of the largest logit."""
    precision = session.precision
    return MAX_REL[precision] if precision is Precision.FP32 else MAX_REL_ROUNDED


def _images(opened: Opened) -> Images:
    """Return the stored images (n, C, H, W) float32 in [0, 1], probes first."""
    stored = opened.replay
    return np.concatenate([as_input(stored.probe_images), as_input(stored.adversarial_images)]).astype(np.float32)


def answered(session: Session, images: Images) -> npt.NDArray[np.float32]:
    """Return the logits (N, K) of the ONNX file for images (N, C, H, W) float32 in [0, 1], N >= 1."""
    parts = [session.answer(images[start : start + AT_ONCE]) for start in range(0, len(images), AT_ONCE)]
    return np.concatenate(parts)


def compare(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32], *, limit: float) -> tuple[bool, str]:
    """Say whether two sets of logits differ by more than rounding, and by how much.

    Within `limit` of the largest logit, answers can differ only where the two largest logits are a tie.
    """
    if expected.shape != found.shape:
        return True, f"{found.shape} logits instead of {expected.shape}"
    largest = float(np.abs(expected).max())
    relative = float(np.abs(expected.astype(np.float64) - found).max()) / max(largest, 1e-30)
    num = int((expected.argmax(axis=1) != found.argmax(axis=1)).sum())
    words = f"{relative:.1e} of the largest logit apart, {num} of {len(found)} answers differ"
    return not relative <= limit, words
