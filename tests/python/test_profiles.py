# SPDX-License-Identifier: Apache-2.0
"""Profiles and open shapes from Python."""

import pathlib

import numpy as np
import pytest

import whet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/glyphs/glyph_mobilenetv2.onnx"


def image(batch):
    return np.random.default_rng(batch).standard_normal((batch, 1, 48, 48), dtype=np.float32)


def bounds(*batches):
    return {"image": tuple((n, 1, 48, 48) for n in batches)}


def test_profiles_choose_plans():
    plain = whet.build(MODEL, level=0).context()
    engine = whet.loads(whet.build(MODEL, level=0,
                                   profiles=[bounds(1, 1, 2), bounds(4, 8, 16)]).serialize())
    assert engine.profiles == [bounds(1, 1, 2), bounds(4, 8, 16)]
    context = engine.context()
    assert context.profile_used == (None, False)
    for batch, used in ((1, (0, True)), (16, (1, True)), (3, (1, False)), (20, (1, False))):
        got = context.run({"image": image(batch)})["logits"]
        want = plain.run({"image": image(batch)})["logits"]
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()
        assert context.profile_used == used
    context.set_profile(0)
    context.run({"image": image(8)})
    assert context.profile_used == (0, False)
    with pytest.raises(whet.Error) as e:
        context.set_profile(2)
    assert e.value.name == "WHET_E_RANGE"


def test_bad_profiles_are_refused():
    for profile, text in (({"picture": ((1,), (1,), (1,))}, "picture"),
                          ({"image": ((1, 1, 50, 48),) * 3}, "outside"),
                          ({"image": ((2, 1, 48, 48), (1, 1, 48, 48), (4, 1, 48, 48))}, "min")):
        with pytest.raises(whet.Error, match=text):
            whet.build(MODEL, level=0, profiles=[profile])
    with pytest.raises(ValueError):
        whet.build(MODEL, level=0, profiles=[{"image": ((1, 1), (1,), (1, 1))}])
