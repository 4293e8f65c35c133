"""Where candidates are examined: the dense model, its training and select images, and everything that is shared."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from compressor.asked import battery_of, timings_of
from compressor.certify.battery import read_battery
from compressor.data import Data, digest_of_images
from compressor.errors import DataError, OptionError
from compressor.estimate import seconds_per_image
from compressor.evaluate import evaluate
from compressor.gate.policy import Policy, read_policy
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.progress import SILENT, Progress
from compressor.records import to_plain, tool_version
from compressor.runtime.machine import host
from compressor.search.clock import Clock
from compressor.search.examiner import Examiner
from compressor.search.heat import NUM_LOOKED_AT
from compressor.search.planner import Planner
from compressor.search.reckoning import load_of
from compressor.search.sizes import Sizes
from compressor.search.space import Space, space_of
from compressor.search.study import Study
from compressor.search.wanted import Wanted
from compressor.steps import fit, open_model
from compressor.task import Task
from compressor.types import Minimise


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One process's view of a search."""

    dense: Checkpoint
    policy: Policy
    wanted: Wanted
    planner: Planner
    examiner: Examiner
    sizes: Sizes
    study: Study
    clock: Clock
    dense_accuracy: float
    """On all select images."""
    seed: int


def open_site(
    source: Path | nn.Module, task: Task, wanted: Wanted, *, begun: float, index: int = 0, progress: Progress = SILENT
) -> Site:
    """Load everything and open the study. Of the test role only the number of images is looked at.

    Args:
        source: a checkpoint file, or a module in memory.
        task: what the winner's release is asked for; its cut is what is fixed for all candidates.
        wanted: how to search.
        begun: when the search began, in seconds since the epoch.
        index: of this process among those that one command started.
        progress: listener.

    Raises:
        DataError: there are no training images, none to select by, or none to release on.
        OptionError: the database cannot be opened.
        CompressorError: whatever loading refuses.
    """
    policy, place = read_policy(task.policy), task.place
    dense, whole = fit(
        open_model(source, progress=progress, **task.source),
        task.data,
        expect_accuracy=task.expect_accuracy,
        seed=task.seed,
        device=place.device,
        cache=place.cache_dir,
        progress=progress,
    )
    data = without_test(whole)
    num_test = min(task.num_images, len(whole.need("test")))
    space = space_of(dense, wanted, limit=policy.size.max_macs if wanted.counted == "macs" else policy.size.max_params)
    timings = timings_of(task, policy)
    planner = Planner(dense, data, template=task.cut, space=space, counted=wanted.counted, seed=task.seed)
    sizes = Sizes(dense, data, minimise=wanted.minimise, form=task.form, timings=timings)
    study = Study(
        wanted.storage or _own_storage(place.work_dir),
        work_of(dense, data, task=task, wanted=wanted, policy=policy, space=space, num_test=num_test),
        space=space,
        seed=task.seed,
        index=index,
        is_shared=wanted.storage is not None,
    )
    accuracy = evaluate(dense.classifier(), data.need("select"), device=place.device, progress=progress).accuracy
    load = load_of(
        task,
        policy,
        num_train=len(data.need("train")),
        num_select=min(task.num_images, len(data.need("select"))),
        num_test=num_test,
        num_classes=dense.num_classes,
        num_timings=len(timings),
    )
    return Site(
        dense=dense,
        policy=policy,
        wanted=wanted,
        planner=planner,
        examiner=Examiner(
            dense,
            data,
            task=task,
            policy=policy,
            planner=planner,
            sizes=sizes,
            dense_accuracy=accuracy,
            num_test=num_test,
            place=place,
            worker=study.worker,
        ),
        sizes=sizes,
        study=study,
        clock=Clock(
            wanted.budget_seconds,
            load,
            begun=begun,
            per_pass=seconds_per_image(dense, device=place.device) if wanted.budget_seconds else 0.0,
            control=task.control,
        ),
        dense_accuracy=accuracy,
        seed=task.seed,
    )


def work_of(
    dense: Checkpoint, data: Data, *, task: Task, wanted: Wanted, policy: Policy, space: Space, num_test: int
) -> dict[str, Any]:
    """Return everything that decides about the trials of a search, ready for JSON: what its study is named by."""
    is_timed = wanted.minimise is Minimise.LATENCY or bool(policy.latency)
    return {
        "tool": tool_version(),
        "weights": sha256_of_weights(dense.model.state_dict()),
        "architecture": [dense.architecture, dense.arguments, list(dense.removed_blocks), list(dense.input_shape)],
        "preprocess": to_plain(dense.preprocess),
        "train": digest_of_images(data.need("train")),
        "select": digest_of_images(data.need("select")),
        "num_test": num_test,
        "policy": policy.policy_sha256,
        "battery": to_plain(read_battery(battery_of(task, policy)).attacks),
        "accepted": sorted(task.accept),
        "minimise": str(wanted.minimise),
        "space": to_plain(space),
        "looked_at": NUM_LOOKED_AT,
        "fixed": to_plain(task.cut),
        "recipe": to_plain(task.recipe),
        "form": to_plain(task.form),
        "timing": to_plain(task.timing) if is_timed else None,
        "processor": host()["cpu"] if is_timed else None,
        "num_images": task.num_images,
        "device": task.place.device.split(":")[0],
        "seed": task.seed,
    }


def without_test(data: Data) -> Data:
    """Return what candidates may see.

    Raises:
        DataError: a role is missing.
    """
    if data.train is None or data.select is None:
        raise DataError(
            f"--data {data.spec} holds no training images, and candidates are tuned and judged on those alone",
            advice="add a train/ folder (or x_train, y_train); test images are never used in their place",
        )
    if data.test is None:
        raise DataError(f"{data.spec} has no test images", advice="the winner is certified on a test split")
    return replace(data, test=None)


def _own_storage(work_dir: Path | None) -> str:
    if work_dir is None:
        raise OptionError("a search needs a place for its trials", advice="give a work_dir or a storage")
    folder = (work_dir / "search").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'trials.db'}"


def began() -> float:
    """Return the time at which a search begins, in seconds since the epoch."""
    return time.time()
