# SPDX-License-Identifier: Apache-2.0
"""The class of TensorRT's quick start notebooks, over a whet engine."""

import os

import numpy as np

from .build import build
from .engine import load


class ONNXClassifierWrapper:
    """ONNXClassifierWrapper(file, target_dtype=np.float32), or the older form
    ONNXClassifierWrapper(file, num_classes, target_dtype=np.float32), where num_classes is a number
    or the output's shape. The true output shape is the engine's; num_classes must agree with it."""

    def __init__(self, file, *args, num_classes=None, target_dtype=np.float32):
        args = list(args)
        if args and isinstance(args[0], (int, np.integer, list, tuple)):
            num_classes = args.pop(0)
        if args:
            target_dtype = args.pop(0)
        if args:
            raise TypeError("ONNXClassifierWrapper takes a file, num_classes and target_dtype")
        self.target_dtype = np.dtype(target_dtype)
        self.num_classes = num_classes
        self.load(file)

    def load(self, file):
        """Loads another engine file."""
        self.engine = load(file)
        if len(self.engine.inputs) != 1 or len(self.engine.outputs) != 1:
            raise ValueError(f"{os.fspath(file)}: expected one input and one output, it has "
                             f"{list(self.engine.inputs)} and {list(self.engine.outputs)}")
        ((self.input_name, (self.input_dtype, self.input_shape)),) = self.engine.inputs.items()
        ((self.output_name, (_, self.output_shape)),) = self.engine.outputs.items()
        self._check_classes()
        self.context = self.engine.context()
        self.output = None

    def _check_classes(self):
        wanted = self.num_classes
        if wanted is None or self.output_shape is None:
            return
        last = wanted if isinstance(wanted, (int, np.integer)) else wanted[-1]
        have = self.output_shape[-1]
        if isinstance(have, int) and int(last) != have:
            raise ValueError(f"num_classes is {wanted}, the engine's output is {self.output_shape}")

    def _fixed_batch(self):
        size = self.input_shape[0] if self.input_shape else None
        return size if isinstance(size, int) else None

    def allocate_memory(self, batch):
        """Makes the output buffer for a batch; predict does it at its first call."""
        fed = {self.input_name: self._pad(np.asarray(batch))}
        self.output = self.context.run(fed)[self.output_name]

    def _pad(self, batch):
        batch = np.ascontiguousarray(batch, dtype=self.input_dtype)
        size = self._fixed_batch()
        if size is None or batch.ndim == 0 or batch.shape[0] == size:
            return batch
        if batch.shape[0] > size:
            raise ValueError(f"batch of {batch.shape[0]}, the engine takes at most {size}")
        return np.concatenate([batch, np.zeros((size - batch.shape[0],) + batch.shape[1:],
                                               batch.dtype)])

    def predict(self, batch):
        """Predictions for a batch of any size up to the engine's; the same buffer is returned by
        each call at one size."""
        batch = np.asarray(batch)
        fed = {self.input_name: self._pad(batch)}
        reuse = self.output is not None and self.output.shape[:1] == fed[self.input_name].shape[:1]
        made = self.context.run(fed, {self.output_name: self.output} if reuse else None)
        self.output = made[self.output_name]
        result = self.output[: batch.shape[0]] if self._fixed_batch() else self.output
        return result.astype(self.target_dtype, copy=False)

    def cleanup(self):
        """Releases the context and the engine."""
        self.context = self.engine = self.output = None


def convert_onnx_to_engine(onnx_filename, engine_filename=None, max_batch_size=None,
                           max_workspace_size=None, fp16_mode=False):
    """Builds an engine and returns its bytes and None (there is no logger object). fp16_mode is
    refused: this version computes in FP32. max_batch_size and max_workspace_size set no limit here:
    a dynamic batch runs at any size and workspace is what the plan needs."""
    del max_batch_size, max_workspace_size
    engine = build(onnx_filename, precision="fp16" if fp16_mode else "fp32")
    if engine_filename:
        engine.save(engine_filename)
    return engine.serialize(), None
