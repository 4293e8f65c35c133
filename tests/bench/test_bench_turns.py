"""Files run in turns, in pairs of fresh sessions."""

import numpy as np
import pytest
from tiny_onnx import linear_onnx, random_weights

from compressor.bench import turns
from compressor.bench.turns import NUM_SESSIONS, Way, take_turns, time_in_turns

SHAPE = (1, 8, 8)
FILE = linear_onnx(random_weights(SHAPE), shape=SHAPE)
OTHER = linear_onnx(random_weights(SHAPE, num_classes=5), shape=SHAPE)


@pytest.mark.parametrize(("order", "round_of_four"), [([0, 1], [0, 1, 1, 0]), ([1, 0], [1, 0, 0, 1]), ([0], [0, 0])])
def test_each_follows_itself_as_often_as_the_other(order, round_of_four):
    """There and back, from either side."""
    heard: list[int] = []
    times = take_turns([lambda: heard.append(0), lambda: heard.append(1)][: len(order)], order, num_rounds=16)
    assert heard == round_of_four * 16
    assert [len(each) for each in times] == [32] * len(order)


def test_every_pair_is_opened_afresh_and_sides_swap(monkeypatch):
    """Ten pairs after the first look, opened and begun from either side in turn."""
    opened: list[bytes] = []
    begun: list[list[int]] = []
    really_open, really_turn = Way.open, turns.take_turns
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(turns, "WARM_UP_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(Way, "open", lambda way, model: (opened.append(model), really_open(way, model))[1])
    monkeypatch.setattr(
        turns, "take_turns", lambda runs, order, **more: (begun.append(order), really_turn(runs, order, **more))[1]
    )
    way = Way(provider="cpu", batch=2, threads=1)
    found = time_in_turns([FILE, OTHER], way, num_runs=30, rng=np.random.default_rng(0))
    assert opened == [FILE, OTHER] + [FILE, OTHER, OTHER, FILE] * (NUM_SESSIONS // 2)
    assert begun == [[0, 1], [1, 0]] * (NUM_SESSIONS // 2)
    assert all(timed.look.opening_seconds > 0 for timed in found)
    for timed in found:
        assert [len(each) for each in timed.sessions] == [4] * NUM_SESSIONS
        assert timed.medians.tolist() == [np.median(each) for each in timed.sessions]
        assert (timed.load_ms > 0).all()


@pytest.mark.parametrize(("seconds", "num"), [(1e-9, 6), (1e9, 10)])
def test_files_that_open_slowly_get_fewer_sessions(monkeypatch, seconds, num):
    """Six at least, so that the median of sessions has an interval; ten where there is time."""
    monkeypatch.setattr(turns, "SECONDS_OF_OPENING", seconds)
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.0)
    way = Way(provider="cpu", batch=1, threads=1)
    (timed,) = time_in_turns([FILE], way, num_runs=31, rng=np.random.default_rng(0))
    assert len(timed.sessions) == len(timed.load_ms) == num
    assert {len(each) for each in timed.sessions} == {6 if num == 6 else 4}


def test_a_pause_is_not_timed(monkeypatch):
    """It is made before every run, and no run gets longer by it."""
    slept: list[float] = []
    monkeypatch.setattr(turns.time, "sleep", slept.append)
    times = take_turns([lambda: None, lambda: None], [0, 1], num_rounds=3, pause=0.5)
    assert slept == [0.5] * 12
    assert max(each.max() for each in times) < 500
