"""replay.npz: equal inputs give equal bytes, and it reads back strictly."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from compressor.archive import npz_bytes
from compressor.bundle.replay_images import Adversarial, as_input, read_replay, replay_bytes, worst_rows
from compressor.errors import EvidenceError

SHAPE = (3, 4, 4)


def answer(images: np.ndarray) -> np.ndarray:
    """Answer with the mean of each channel."""
    assert images.dtype == np.float32
    return images.mean((2, 3))


def adversarial(num: int, threat: str = "linf:8/255") -> Adversarial:
    """Return images that count up, so that one can see which were kept."""
    images = np.full((num, *SHAPE), 0.5, np.float32) + np.arange(num, dtype=np.float32)[:, None, None, None] / 1000
    return Adversarial(threat=threat, images=images, labels=np.arange(num))


def make(dtype: str = "uint8", **options: object) -> bytes:
    """Return a replay of six probes and the adversarial images in the options."""
    probes = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
    given = {"labels": np.arange(6), "adversarial": [adversarial(4), adversarial(2, "l2:1/2")], **options}
    return replay_bytes(
        probes if dtype == "uint8" else as_input(probes) / 2,
        given["labels"],
        given["adversarial"],
        answer=answer,
        artefact_sha256="f" * 64,
        max_bytes=given.get("max_bytes", 1 << 20),
    )


def test_equal_inputs_give_equal_bytes() -> None:
    """No time of day, no compression: the archive depends on the arrays alone."""
    assert make() == make()
    with zipfile.ZipFile(io.BytesIO(make())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_what_was_stored_reads_back(tmp_path: Path, dtype: str) -> None:
    """Images, labels, threats and the answers of the file, bit for bit."""
    path = tmp_path / "replay.npz"
    path.write_bytes(make(dtype))
    replay = read_replay(path)
    assert replay.artefact_sha256 == "f" * 64
    assert replay.probe_images.dtype == dtype
    assert np.array_equal(replay.probe_logits, answer(as_input(replay.probe_images)))
    assert np.array_equal(replay.adversarial_logits, answer(replay.adversarial_images))
    assert replay.adversarial_threats == ("linf:8/255",) * 4 + ("l2:1/2",) * 2
    assert replay.adversarial_labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_exact_floats_are_stored_as_bytes() -> None:
    """Images of a uint8 source come as k/255: a byte holds them exactly."""
    images = as_input(np.arange(48, dtype=np.uint8).reshape(1, *SHAPE))
    content = replay_bytes(images, None, [], answer=answer, artefact_sha256="f" * 64)
    with np.load(io.BytesIO(content)) as stored:
        assert stored["probe_images"].dtype == np.uint8
        assert np.array_equal(as_input(stored["probe_images"]), images)


def test_without_labels_and_without_adversarial_images(tmp_path: Path) -> None:
    """Unknown answers are -1; no adversarial image is an empty array, not a gap."""
    path = tmp_path / "replay.npz"
    path.write_bytes(make(labels=None, adversarial=[]))
    replay = read_replay(path)
    assert replay.probe_labels.tolist() == [-1] * 6
    assert replay.adversarial_images.shape == (0, *SHAPE)
    assert replay.adversarial_logits.shape == (0, 3)


def test_room_is_shared_between_threats(tmp_path: Path) -> None:
    """Where not all find room, each threat keeps its first ones."""
    path = tmp_path / "replay.npz"
    one_image = 4 * int(np.prod(SHAPE))
    path.write_bytes(make(adversarial=[adversarial(9), adversarial(9, "l2:1/2")], max_bytes=6 * one_image))
    replay = read_replay(path)
    assert replay.adversarial_labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_worst_are_those_answered_wrong_by_most_of_each_threat_in_turn() -> None:
    """Margins 3, 1 and 2 under one threat, 5 under the other; the fifth image is answered right."""
    logits = np.array([[0, 3], [0, 1], [0, 2], [5, 0], [0, 9]], dtype=np.float32)
    labels, threats = np.array([0, 0, 0, 1, 1]), ["linf:1/255"] * 3 + ["l2:1/2"] * 2
    assert worst_rows(logits, labels, threats).tolist() == [0, 3, 2, 1]
    assert worst_rows(logits, labels, threats, most=2).tolist() == [0, 3]
    assert worst_rows(logits[:0], labels[:0], []).tolist() == []


def test_the_clean_images_of_the_worst_travel_along(tmp_path: Path) -> None:
    """As bytes where that is exact, with what the file answers to them; rows that lead nowhere are refused."""
    images = np.stack([np.full(SHAPE, 0.4, np.float32), np.full(SHAPE, 0.2, np.float32)])
    images[:, 1] += np.array([0.2, 0.3], np.float32)[:, None, None]
    clean = as_input(np.full((2, *SHAPE), 51, dtype=np.uint8))
    part = Adversarial(threat="l2:1/2", images=images, labels=np.array([0, 0]), clean=clean)
    content = make(adversarial=[part])
    replay = read_replay(content)
    assert replay.clean_rows.tolist() == [1, 0]
    assert replay.clean_images.dtype == np.uint8
    assert np.array_equal(as_input(replay.clean_images), clean)
    assert np.array_equal(replay.clean_logits, answer(clean))
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for rows in ([2, 0], [-1, 0], [0]):
        (tmp_path / "replay.npz").write_bytes(npz_bytes({**arrays, "clean_rows": np.array(rows)}))
        with pytest.raises(EvidenceError):
            read_replay(tmp_path / "replay.npz")
    older = {name: array for name, array in arrays.items() if not name.startswith("clean_")}
    assert read_replay(npz_bytes(older)).clean_images.shape == (0, *SHAPE)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)])
def test_what_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """One clear error of ours, whatever the bytes are."""
    path = tmp_path / "replay.npz"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_replay(path)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    """Another schema, a missing array, lengths that do not fit and pickled objects."""
    path = tmp_path / "replay.npz"
    with np.load(io.BytesIO(make())) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for change, words in [
        ({"schema": np.array("other/1")}, "other/1"),
        ({"probe_labels": np.arange(3)}, "different lengths"),
    ]:
        path.write_bytes(npz_bytes({**arrays, **change}))
        with pytest.raises(EvidenceError, match=words):
            read_replay(path)
    np.savez(path, **{**arrays, "probe_labels": np.array([object()], dtype=object)})
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_replay(path)
    del arrays["probe_logits"]
    path.write_bytes(npz_bytes(arrays))
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_replay(path)
