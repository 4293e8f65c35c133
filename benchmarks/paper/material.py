"""Images and dense networks of a grid: opened, unpacked, or trained where nobody has."""

import shutil
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.battery_models import Places
from benchmarks.paper import networks
from benchmarks.paper.grid import Form
from benchmarks.paper.row import Cell
from compressor.data import Data, ImageSet, open_data, parse_preprocess
from compressor.data.images import stratified
from compressor.finetune import finetune
from compressor.load import Checkpoint, build, load
from compressor.load.checkpoint import sha256_of_weights

PREPROCESS = {"digits": "none", "cifar": "imagenet"}
SIDE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What every cell of a grid is made of."""

    form: Form
    places: Places
    data: Data
    """All training images, the select images, and the test images that everything is measured on."""

    @property
    def test(self) -> ImageSet:
        """The images that everything is measured on."""
        return self.data.need("test")

    def data_at(self, seed: int) -> Data:
        """Return the data with the training images that a seed draws."""
        num = self.form.num_train
        return (
            self.data if num is None else replace(self.data, train=stratified(self.data.need("train"), num, seed=seed))
        )


def open_material(form: Form, places: Places) -> Material:
    """Open the images of a grid."""
    data = _digits(places) if form.data == "digits" else places.open_cifar(PREPROCESS["cifar"])
    select, test = data.need("select"), data.need("test")
    chosen = replace(
        data,
        select=stratified(select, form.num_select, seed=0),
        test=stratified(test, form.num_test, seed=0).in_memory(),
    )
    return Material(form=form, places=places, data=chosen)


def dense(material: Material, cell: Cell, *, device: str) -> Checkpoint:
    """Return the dense network of a cell: as published, or as trained at the cell's seed."""
    form = material.form
    network = form.network(cell.network)
    preprocess = parse_preprocess(PREPROCESS[form.data])
    if network.checkpoint is not None:
        path = material.places.shared / "checkpoints" / network.checkpoint
        return load(path, arch=f"cifar:{network.name}", preprocess=preprocess, input_size=(SIDE, SIDE))
    assert network.base is not None
    torch.manual_seed(cell.seed)
    fresh = Checkpoint(
        model=_build(network.name, form).eval(),
        architecture=f"memory:{network.name}",
        input_shape=material.test.shape,
        num_classes=len(material.data.class_names),
        preprocess=preprocess,
        sha256="",
    )
    name = f"{form.name}-{network.name}-seed{cell.seed}"
    path = material.places.work / f"{name}.pt"
    if path.exists():
        fresh.model.load_state_dict(torch.load(path, weights_only=True))
        return replace(fresh, sha256=sha256_of_weights(fresh.model.state_dict()))
    fresh = replace(fresh, sha256=sha256_of_weights(fresh.model.state_dict()))
    recipe = replace(network.base, seed=cell.seed)
    state = material.places.work / "state" / name
    trained, history = finetune(fresh, material.data, recipe, device=device, state=state)
    print(f"{name}: trained to {history.select_accuracy:.1%} of {history.num_select} images aside", flush=True)
    torch.save(trained.model.state_dict(), path)
    shutil.rmtree(state)
    return trained


def _build(name: str, form: Form) -> nn.Module:
    """Return a network with weights drawn from torch's generator."""
    if hasattr(networks, name):
        made: nn.Module = getattr(networks, name)()
        return made
    return build(f"cifar:{name}", in_channels=1 if form.data == "digits" else 3)


def _digits(places: Places) -> Data:
    """Open the embedded digits, enlarged to the size that the measures are made for."""
    path = places.work / f"digits-{SIDE}.npz"
    preprocess = parse_preprocess(PREPROCESS["digits"])
    if not path.exists():
        small = open_data("digits", preprocess=preprocess)
        arrays: dict[str, Any] = {}
        for role, kind in (("train", "train"), ("select", "val"), ("test", "test")):
            part = small.need(role)  # type: ignore[arg-type]
            pixels = part.read(range(len(part)))
            large = nn.functional.interpolate(pixels, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            arrays[f"x_{kind}"] = large.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
            arrays[f"y_{kind}"] = part.labels
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    return open_data(str(path), preprocess=preprocess)
