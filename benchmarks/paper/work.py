"""One cell carried out: cut, tune, look at the test images, write the row."""

import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.paper.claims import Claims
from benchmarks.paper.material import Material, dense
from benchmarks.paper.measure import measure
from benchmarks.paper.row import SCHEMA, Cell, Row, packed
from benchmarks.rows import digest_of_code
from compressor.data.images import digest_of_images
from compressor.errors import PruneError
from compressor.files import write_whole
from compressor.finetune import History, finetune
from compressor.load import Checkpoint
from compressor.prune import count_cost, plan, slim
from compressor.records import dump, now, parse
from compressor.runtime.machine import host, versions
from compressor.types import Structure

CODE = ("compressor/prune", "compressor/finetune", "compressor/attacks", "compressor/certify", "compressor/corruptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where cells are carried out, and where their rows go."""

    material: Material
    claims: Claims
    output: Path
    """Folder of the rows of this form."""
    device: str
    command: str
    """As typed."""

    def has(self, cell: Cell) -> bool:
        """Say whether a cell has its row; one of other settings does not count."""
        path = self._path(cell)
        if not path.is_file():
            return False
        row = parse(path.read_bytes(), Row, source=str(path))
        return row.settings_sha256 == self.material.form.digest() and row.device == self.device.partition(":")[0]

    def do(self, cell: Cell) -> Row:
        """Carry out one cell and write its row."""
        began = time.process_time()
        row = replace(self._measured(cell), seconds=round(time.process_time() - began, 1))
        write_whole(self._path(cell), dump(row))
        return row

    def _path(self, cell: Cell) -> Path:
        return self.output / f"{cell.name}.json"

    def _measured(self, cell: Cell) -> Row:
        material, form = self.material, self.material.form
        whole = dense(material, cell, device=self.device)
        try:
            cut = self._cut(whole, cell)
        except PruneError as error:
            return self._row(cell, whole, whole, skipped=str(error))
        if cell.kind == "delivered":
            return self._row(cell, whole, whole, right=self._right(whole))
        state = material.places.work / "state" / f"{form.name}-{cell.name}"
        recipe = replace(form.recipe, seed=cell.seed)
        tuned, history = finetune(cut, material.data_at(cell.seed), recipe, device=self.device, state=state)
        row = self._row(cell, whole, cut, history=history, right=self._right(tuned))
        shutil.rmtree(state)
        return row

    def _cut(self, whole: Checkpoint, cell: Cell) -> Checkpoint:
        """Return what is left of the dense network before any tuning."""
        if cell.share is None:
            return whole
        is_layers = cell.kind == "layers"
        chosen = plan(
            whole,
            target_macs=cell.share,
            structure=Structure.BLOCKS if is_layers else Structure.FILTERS,
            criterion="l1" if is_layers else cell.criterion or "l1",
            block_criterion=cell.criterion if is_layers else None,
            train=self.material.data_at(cell.seed).train,
            seed=cell.seed,
        )
        return slim(whole, chosen)

    def _right(self, network: Checkpoint) -> dict[str, str]:
        form = self.material.form
        found = measure(network, self.material.test, self.claims, battery=form.battery, device=self.device)
        return {name: packed(right) for name, right in found.items()}

    def _row(
        self,
        cell: Cell,
        whole: Checkpoint,
        cut: Checkpoint,
        *,
        skipped: str | None = None,
        history: History | None = None,
        right: dict[str, str] | None = None,
    ) -> Row:
        form, test = self.material.form, self.material.test
        before, after = (count_cost(each.model, each.input_shape) for each in (whole, cut))
        return Row(
            schema=SCHEMA,
            created=now(),
            form=form.name,
            settings_sha256=form.digest(),
            cell=cell,
            dense_sha256=whole.sha256,
            skipped=skipped,
            macs_fraction=round(after.macs / before.macs, 4),
            params_fraction=round(after.params / before.params, 4),
            recipe=None if history is None else history.recipe,
            num_train=0 if history is None else history.num_train,
            select_accuracy_before=None if history is None else history.select_accuracy_before,
            select_accuracy=None if history is None else history.select_accuracy,
            best_epoch=None if history is None else history.best_epoch,
            battery=form.battery,
            num_images=len(test),
            images_sha256=digest_of_images(test),
            right=right or {},
            seconds=0.0,
            load=round(os.getloadavg()[1], 1),
            device=self.device.partition(":")[0],
            code=digest_of_code(CODE),
            command=self.command,
            versions=versions(),
            host=host(),
        )
