# SPDX-License-Identifier: Apache-2.0
"""ImageDecoder and RegexFullMatch, which open libwhet_ops.so, against Pillow and re."""

import io
import re

import numpy as np
import onnx
import onnx.helper as oh
import PIL.Image
import pytest

import whet


def context(op, dtype, shape, **attrs):
    graph = oh.make_graph([oh.make_node(op, ["x"], ["y"], **attrs)], "g",
                          [oh.make_tensor_value_info("x", dtype, shape)],
                          [onnx.ValueInfoProto(name="y")])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 20)], ir_version=9)
    engine = whet.build(model.SerializeToString(), verify="off", level=0)
    return whet.loads(engine.serialize()).context()


@pytest.fixture(scope="module")
def decoders():
    return {name: context("ImageDecoder", onnx.TensorProto.UINT8, ["n"], pixel_format=name)
            for name in ("RGB", "BGR", "Grayscale")}


def decode(run, data):
    return run.run({"x": np.frombuffer(data, np.uint8)})["y"]


def picture(mode, width=13, height=9):
    rng = np.random.default_rng(3)
    rgb = PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return rgb.convert(mode)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


FILES = [("PNG", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")] + [
    ("PPM", "1", {}), ("PPM", "L", {}), ("PPM", "RGB", {}),
    ("BMP", "1", {}), ("BMP", "L", {}), ("BMP", "P", {}), ("BMP", "RGB", {}), ("BMP", "RGBA", {}),
    ("TIFF", "L", {}), ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "P", {}),
    ("JPEG", "L", {}), ("JPEG", "RGB", {}), ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}), ("JPEG2000", "L", {}), ("JPEG2000", "RGB", {}),
    ("WEBP", "RGB", {"lossless": True}), ("WEBP", "RGB", {})]


@pytest.mark.parametrize("kind, mode, options", FILES)
def test_decoders_agree_with_pillow(kind, mode, options, decoders):
    data = encoded(picture(mode), kind, **options)
    image = PIL.Image.open(io.BytesIO(data))
    if image.mode in ("RGBA", "LA"):  # what is transparent keeps its color
        image = PIL.Image.merge("RGB" if image.mode == "RGBA" else "L", image.split()[:-1])
    want = np.array(image.convert("RGB")).astype(int)
    near = 2 if mode == "CMYK" else 0  # the way from ink to light is not laid down
    got = decode(decoders["RGB"], data).astype(int)
    assert got.shape == want.shape and np.abs(got - want).max() <= near
    assert (decode(decoders["BGR"], data)[:, :, ::-1] == got).all()
    gray = np.array(PIL.Image.fromarray(got.astype(np.uint8)).convert("L"))
    assert (decode(decoders["Grayscale"], data)[:, :, 0] == gray).all()


def test_portable_maps_in_digits(decoders):
    data = b"P3 # red, green\n2 1 100\n100 0 0  0 50 0"
    assert decode(decoders["RGB"], data).tolist() == [[[255, 0, 0], [0, 128, 0]]]
    assert decode(decoders["Grayscale"], b"P1 3 1 101").tolist() == [[[0], [255], [0]]]
    assert decode(decoders["Grayscale"], b"P5 1 1 65535\n\x80\x00").tolist() == [[[128]]]


def test_run_lengths(decoders):
    head = (b"BM" + (0).to_bytes(8, "little") + (14 + 40 + 8).to_bytes(4, "little")
            + (40).to_bytes(4, "little") + (4).to_bytes(4, "little") + (2).to_bytes(4, "little")
            + b"\1\0\x08\0" + (1).to_bytes(4, "little") + bytes(12) + (2).to_bytes(4, "little")
            + bytes(4) + b"\0\0\0\0\xff\x80\0\0")
    runs = b"\x02\x01\x00\x00" + b"\x00\x03\x01\x00\x01\x00" + b"\x00\x01"
    got = decode(decoders["RGB"], head + runs)
    on, off = [0, 128, 255], [0, 0, 0]
    assert got.tolist() == [[on, off, on, off], [on, on, off, off]]
    assert decode(decoders["RGB"], head + b"\x05\x01\x00\x01").size == 0  # beyond the row


def test_what_is_no_image_is_empty(decoders):
    for data in (b"", b"no image", b"\x89PNG\r\n\x1a\n", b"P6", b"BM"):
        assert decode(decoders["RGB"], data).shape == (0, 0, 3)
        assert decode(decoders["Grayscale"], data).shape == (0, 0, 1)


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP", "TIFF", "JPEG", "JPEG2000", "WEBP"])
def test_broken_files_never_crash(kind, decoders):
    data = encoded(picture("RGB"), kind)
    rng = np.random.default_rng(1)
    broken = [data[:n] for n in rng.integers(0, len(data), 60)]
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(0, min(len(data), 400), rng.integers(1, 5)):
            changed[at] = rng.integers(0, 256)
        broken.append(bytes(changed))
    for piece in broken:
        try:
            assert decode(decoders["RGB"], piece).shape[2] == 3
        except whet.Error as error:
            assert error.name in ("WHET_E_LIMIT", "WHET_E_NOMEM")


def test_large_images_are_refused(decoders):
    with pytest.raises(whet.Error, match="ImageDecoder_0: the image has 100000 x 100000 pixels"):
        decode(decoders["RGB"], b"P6 100000 100000 255\n")


def test_patterns_match_whole_texts():
    texts = ["", "a", "ab", "ab\n", "www.example.org", "é", "a\0b"]
    for pattern in ("", "a.?", r"www\.[\w.-]+", "(?i)A|É", r"[^\n]*"):
        run = context("RegexFullMatch", onnx.TensorProto.STRING, ["n"], pattern=pattern)
        got = run.run({"x": np.array(texts, dtype=object)})["y"]
        assert got.tolist() == [re.fullmatch(pattern, t) is not None for t in texts]
    with pytest.raises(whet.Error, match="is no regular expression of RE2"):
        context("RegexFullMatch", onnx.TensorProto.STRING, ["n"], pattern="(")
