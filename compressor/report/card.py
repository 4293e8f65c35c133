"""The model card: README.md of a bundle, with the front matter that Hugging Face reads."""

import json
import re
from typing import Any

from compressor.gate import wording
from compressor.report import tables
from compressor.report.facts import InputFacts
from compressor.report.markdown import commands_markdown, plain, table_markdown, verdict_markdown
from compressor.report.summary import Summary

PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}

USE = """\
## Use

Input `{name}`: {text}. Output: logits. Normalisation is inside the file; decoding and resizing are outside it, and a
photo that is resized in another way may be answered in another way.

```python
{example}
```

## On the target

`replay.py` needs numpy and any onnxruntime. It checks every file, the numbers and the answers to adversarial images,
and measures latency; the gate takes its records beside those of the bundle:

```sh
python replay.py --provider cpu --output ../results
compress gate . ../results/parity.json ../results/latency.json --policy policy.toml
```

For TensorRT:

```sh
{trtexec}
```

The certificate covers `model.onnx` under onnxruntime. A TensorRT engine built from it is another artefact, which
computes other numbers, with fp16 or int8 most of all; only its own replay covers it. `replay.py --provider tensorrt`
replays the file in onnxruntime's TensorRT provider. An engine that trtexec built must be run on the images in
`replay.npz`, and its logits compared with those stored there.
"""


def model_card(summary: Summary) -> bytes:
    """Return the card as Markdown, UTF-8."""
    parts = [_front_matter(summary), f"# {plain(summary.name)}\n", _opening(summary)]
    parts += [table_markdown(tables.comparison(summary))]
    if summary.verdict is not None:
        parts += [verdict_markdown(summary.verdict)]
    parts += [_use(summary.image), _claim(summary), _reproduce(summary)]
    return "\n".join(part for part in parts if part).encode()


def as_yaml(value: Any) -> str:
    """Return a value as JSON that YAML reads as is: JSON writes rare characters as two halves, YAML as one number."""

    def whole(halves: re.Match[str]) -> str:
        character = json.loads('"' + halves.group() + '"')
        return f"\\U{ord(character):08x}"

    return re.sub(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", whole, json.dumps(value))


def _front_matter(summary: Summary) -> str:
    """Return YAML, one value a line."""
    lines = ["---"]
    lines += ["library_name: onnx", "pipeline_tag: image-classification"]
    lines += [f"tags: {as_yaml(['onnx', 'pruning', 'compression', 'adversarial-robustness'])}"]
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
        lines += [f"metrics: {as_yaml(['accuracy'])}"]
        lines += [f"model-index: {as_yaml([{'name': summary.name, 'results': results}])}"]
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
    if image.takes_bytes:
        axes = "[None, ..., None]" if image.channels == 1 else "[None]"
        pixels = f"numpy.asarray(image){axes}"
    else:
        axes = "[None, None]" if image.channels == 1 else ".transpose(2, 0, 1)[None]"
        pixels = f'(numpy.asarray(image, dtype="float32") / 255){axes}'
    return "\n".join(
        [
            "import numpy, onnxruntime",
            "from PIL import Image, ImageOps",
            'session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])',
            'labels = open("labels.txt", encoding="utf-8").read().splitlines()',
            f'image = ImageOps.fit(Image.open("photo.jpg").convert("{mode}"), {side}, {method}){crop}',
            f"pixels = {pixels}",
            f'logits = session.run(None, {{"{image.name}": pixels}})[0]',
            "print(labels[logits[0].argmax()])",
        ]
    )


def trtexec(image: InputFacts) -> str:
    """Return the command that builds a TensorRT engine for batches from 1 to 32, without TF32."""
    shape = "x".join(str(size) for size in image.sizes)
    sizes = (("min", 1), ("opt", 8), ("max", 32))
    profile = " ".join(f"--{name}Shapes={image.name}:{batch}x{shape}" for name, batch in sizes)
    return f"trtexec --onnx=model.onnx {profile} --noTF32 --saveEngine=model.plan"


def _use(image: InputFacts | None) -> str:
    """Say how to run it. The shape is that of the file, so nothing is shown where it is not known."""
    if image is None:
        return ""
    return USE.format(name=image.name, text=image.text, example=example(image), trtexec=trtexec(image))


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
    return f"## Check or make it again\n\n{commands_markdown(summary.commands or ('compress verify .',))}"
