"""The model card: README.md of a bundle, with the front matter that Hugging Face reads."""

import json

from compressor.gate import wording
from compressor.report import tables
from compressor.report.markdown import plain, table_markdown, verdict_markdown
from compressor.report.summary import InputFacts, Summary

PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def model_card(summary: Summary) -> bytes:
    """Return the card as Markdown, UTF-8."""
    parts = [_front_matter(summary), f"# {plain(summary.name)}\n", _opening(summary)]
    parts += [table_markdown(tables.comparison(summary))]
    if summary.verdict is not None:
        parts += [verdict_markdown(summary.verdict)]
    parts += [_use(summary.image), _claim(summary), _reproduce(summary)]
    return "\n".join(part for part in parts if part).encode()


def _front_matter(summary: Summary) -> str:
    """Return YAML. Each value is written as JSON, which YAML reads as is."""
    lines = ["---"]
    if summary.licence:
        lines.append(f"license: {json.dumps(summary.licence)}")
    lines += ["library_name: onnx", "pipeline_tag: image-classification"]
    lines += [f"tags: {json.dumps(['onnx', 'pruning', 'compression', 'adversarial-robustness'])}"]
    if summary.certificate is not None:
        result = summary.certificate.result
        metrics = [{"type": "accuracy", "name": "accuracy", "value": round(result.clean_accuracy, 6)}]
        metrics += [
            {
                "type": "accuracy",
                "name": f"robust accuracy at {threat.threat}, battery {threat.battery}",
                "value": round(threat.robust_accuracy, 6),
            }
            for threat in result.threats
        ]
        data = {"type": "image", "name": result.data.spec, "split": result.data.split}
        results = [{"task": {"type": "image-classification"}, "dataset": data, "metrics": metrics}]
        lines += [f"metrics: {json.dumps(['accuracy'])}"]
        lines += [f"model-index: {json.dumps([{'name': summary.name, 'results': results}])}"]
    return "\n".join([*lines, "---", ""])


def _opening(summary: Summary) -> str:
    if summary.certificate is None:
        return "A slim image classifier in one ONNX file, normalisation inside.\n"
    result = summary.certificate.result
    return (
        f"A slim {plain(result.model.architecture)} for {len(result.per_class)} classes in one ONNX file, "
        f"normalisation inside: {wording.amount(result.model.params)} parameters, {wording.count(result.model.macs)} "
        "multiply-adds.\n"
    )


def example(image: InputFacts) -> str:
    """Return eight lines of Python that classify one image with onnxruntime."""
    mode = PILLOW_MODES.get(image.channels, "RGB")
    side = (image.width, image.height) if image.resize is None else (image.resize, image.resize)
    crop = ""
    if image.resize is not None:
        left, top = (image.resize - image.width) // 2, (image.resize - image.height) // 2
        crop = f".crop(({left}, {top}, {left + image.width}, {top + image.height}))"
    method = f"Image.{image.interp.upper()}"
    axes = "[None, None]" if image.channels == 1 else ".transpose(2, 0, 1)[None]"
    return "\n".join(
        [
            "import numpy, onnxruntime",
            "from PIL import Image, ImageOps",
            'session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])',
            'labels = open("labels.txt", encoding="utf-8").read().splitlines()',
            f'image = ImageOps.fit(Image.open("photo.jpg").convert("{mode}"), {side}, {method}){crop}',
            f'pixels = (numpy.asarray(image, dtype="float32") / 255){axes}',
            f'logits = session.run(None, {{"{image.name}": pixels}})[0]',
            "print(labels[logits[0].argmax()])",
        ]
    )


def trtexec(image: InputFacts, *, largest_batch: int = 32) -> str:
    """Return the command that builds a TensorRT engine for batches from 1 to `largest_batch`."""
    shape = f"{image.channels}x{image.height}x{image.width}"
    sizes = (("min", 1), ("opt", 8), ("max", largest_batch))
    profile = " ".join(f"--{name}Shapes={image.name}:{batch}x{shape}" for name, batch in sizes)
    return f"trtexec --onnx=model.onnx {profile} --saveEngine=model.plan"


def _use(image: InputFacts | None) -> str:
    """Say how to run it. The shape is that of the file, so nothing is shown where it is not known."""
    if image is None:
        return ""
    shape = f"(n, {image.channels}, {image.height}, {image.width})"
    return (
        f"## Use\n\nInput `{image.name}`: float32 {shape}, values in [0, 1]. Output: logits. Normalisation is inside "
        "the file; decoding and resizing are outside it, and a photo that is resized in another way may be answered in "
        f"another way.\n\n```python\n{example(image)}\n```\n\nFor TensorRT:\n\n```sh\n{trtexec(image)}\n```\n\n"
        "A TensorRT engine, and fp16 or int8 most of all, computes other numbers than the file that was certified: run "
        "`replay.py` on the target.\n"
    )


def _claim(summary: Summary) -> str:
    if summary.certificate is None:
        return "## What is certified\n\nNothing: there is no certificate.\n"
    result = summary.certificate.result
    return (
        f"## What is certified\n\n{plain(result.claim)}\n\nMeasured on {wording.amount(result.data.num_images)} "
        f"{plain(result.data.split)} images of {plain(result.data.spec)}, seed {result.seed}; every record is in "
        "`certificate.json` and `outcomes.npz`.\n"
    )


def _reproduce(summary: Summary) -> str:
    commands = summary.commands or ("compress verify .",)
    return "## Check or make it again\n\n```sh\n" + "\n".join(commands) + "\n```\n"
