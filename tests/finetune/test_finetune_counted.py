"""Random numbers without a state, against the published generator and the distributions they stand for."""

import numpy as np
import torch
from scipy.stats import kstest

from compressor.finetune import counted
from compressor.finetune.counted import keys_of, normals, uniforms

MASK = (1 << 64) - 1


def splitmix64(state, num):
    """Return what the published generator gives, in Python's own integers."""
    found = []
    for _ in range(num):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        value = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(value ^ (value >> 31))
    return found


def test_the_numbers_are_those_of_splitmix64():
    """The generator's known first output for seed 0, and our 53 bits of it."""
    assert splitmix64(0, 1) == [0xE220A8397B1DCDAF]
    for key in (0, 1, -1, 123456789, -(1 << 63)):
        expected = [(value >> 11) * 2.0**-53 for value in splitmix64(key & MASK, 5)]
        assert uniforms(torch.tensor([key]), 5)[0].tolist() == expected


def test_an_images_numbers_do_not_depend_on_its_company():
    """Asked alone, in another order or for more numbers, they are the same."""
    keys = keys_of(torch.arange(50), "noise", 7, 2)
    some = torch.tensor([3, 49, 0])
    assert torch.equal(uniforms(keys, 4)[some], uniforms(keys_of(some, "noise", 7, 2), 4))
    assert torch.equal(uniforms(keys, 9)[:, :4], uniforms(keys, 4))
    assert torch.equal(normals(keys, 8)[some], normals(keys_of(some, "noise", 7, 2), 8))
    assert len(set(keys.tolist()) | set(keys_of(torch.arange(50), "noise", 7, 3).tolist())) == 100


def test_the_numbers_have_their_distributions(monkeypatch):
    """Kolmogorov and Smirnov see nothing, along an image and across images; counting in parts changes nothing."""
    keys = keys_of(torch.arange(400), "any", 0, 0)
    flat, bent = uniforms(keys, 200), normals(keys, 201)
    assert flat.min() >= 0
    assert flat.max() < 1
    for found, law in ((flat, "uniform"), (bent, "norm")):
        assert kstest(found.flatten().numpy(), law).pvalue > 0.01
        assert kstest(found[:, 0].numpy(), law).pvalue > 0.001
        assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1]) < 0.2
    monkeypatch.setattr(counted, "AT_ONCE", 1000)
    assert torch.equal(normals(keys, 201), bent)
