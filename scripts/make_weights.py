#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/weights/ and the corpus of fuzz_weights: small files of both formats."""

import json
import pathlib
import struct

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]


def save_safetensors(path, tensors, metadata=None):
    """tensors: {name: (type name, array of which the bytes count)}."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = ROOT / "tests/data/weights"
    folder.mkdir(exist_ok=True)
    common = {
        "layer.weight": (np.arange(1200) % 17 / 4).astype(np.float32).reshape(40, 30),
        "scalar": np.array(2.5), "ids": np.array([1, 2, -3], np.int64),
        "half": np.array([1, 0.5], np.float16), "mask": np.array([False, True]),
        "empty": np.zeros((0, 3), np.float32),
    }
    arrays = dict(common, columns=np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
                  big_endian=np.zeros(2, ">f4"))
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)
    names = {"float32": "F32", "float64": "F64", "int64": "I64", "float16": "F16", "bool": "BOOL"}
    tensors = {name: (names[str(a.dtype)], a) for name, a in common.items()}
    tensors["brain"] = ("BF16", np.array([0x3fc0, 0xc000], np.uint16))
    tensors["tab\t\"é😀"] = ("U8", np.array([7], np.uint8))
    tensors["odd"] = ("Q9", np.zeros(3, np.uint8))
    save_safetensors(folder / "some.safetensors", tensors, {"format": "pt"})

    corpus = ROOT / "tests/fuzz/corpus/weights"
    corpus.mkdir(exist_ok=True)
    small = {"a": np.arange(3, dtype=np.float32), "b": np.zeros((2, 40), np.int8)}
    np.savez(corpus / "stored.npz", **small)
    np.savez_compressed(corpus / "packed.npz", **small, c=np.asfortranarray(np.eye(2)))
    save_safetensors(corpus / "small.safetensors",
                     {"a": ("F32", small["a"]), "\u00e9": ("BF16", np.zeros(2, np.uint16))},
                     {"x": "y"})


main()
