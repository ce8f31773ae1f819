"""The published networks in Keras, written from the description of the method.

Runs in the peers' environment (``make bench-peers``), asked through :mod:`pipe`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from pipe import serve, threads

RATE = 0.01
LOSSES = {"cnn": "mean_squared_error", "autoencoder": "binary_crossentropy"}


def cnn(classes: int, size: int) -> keras.Model:
    """Make the published classifier."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            *_encoder(),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax", dtype="float32"),
        ]
    )


def autoencoder(size: int) -> keras.Model:
    """Make the published autoencoder."""
    decoder: list[Any] = []
    for filters in (8, 8, 16):
        decoder += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.UpSampling2D(2),
        ]
    last = layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Sequential([keras.Input((size, size, 3)), *_encoder(), *decoder, last])


def _encoder() -> list[Any]:
    """Give three blocks of convolution and pooling."""
    blocks: list[Any] = []
    for filters in (16, 8, 8):
        blocks += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
        ]
    return blocks


class Peer:
    """What is asked of this side, in the order of its methods."""

    def open(self, arrays: str) -> dict[str, Any]:
        """Read images (uint8) and labels (one-hot), and keep them as Keras wants them."""
        tf.config.threading.set_intra_op_parallelism_threads(threads())
        tf.config.threading.set_inter_op_parallelism_threads(threads())
        content = np.load(arrays)
        self.images = content["images"].astype(np.float32) / 255
        self.labels = content["labels"].astype(np.float32)
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    def make(self, network: str, precision: str = "float32") -> dict[str, int]:
        """Make a network; the next questions are about it."""
        keras.utils.set_random_seed(0)
        keras.mixed_precision.set_global_policy(
            "mixed_bfloat16" if precision == "bfloat16" else "float32"
        )
        size = self.images.shape[1]
        self.network = network
        self.model = cnn(self.labels.shape[1], size) if network == "cnn" else autoencoder(size)
        self.targets = self.labels if network == "cnn" else self.images
        self.loops: dict[Any, Callable[..., Any]] = {}
        self.fitted: tuple[bool, int] | None = None
        return {"parameters": self.model.count_params()}

    def weigh(self, weights: str) -> dict[str, int]:
        """Take weights: an array for each of the model's, in its order."""
        content = np.load(weights)
        given = [content[str(place)] for place in range(len(content.files))]
        self.model.set_weights(given)
        return {"taken": len(given)}

    def loss(self, rows: int) -> dict[str, float]:
        """Give the loss over the first rows as one batch."""
        of = keras.losses.get(LOSSES[self.network])
        made = self.model(self.images[:rows], training=True)
        return {"loss": float(tf.reduce_mean(of(self.targets[:rows], made)))}

    def step(self, rows: int) -> dict[str, float]:
        """Make one step on the first rows and give the loss after it."""
        self._loop(rows, xla=False)(tf.constant(np.arange(rows)[None]))
        return self.loss(rows)

    def train(self, batch: int, images: int, how: str) -> dict[str, float]:
        """Train on so many images and give the seconds."""
        rows = np.random.default_rng(0).permutation(len(self.images))
        if how.startswith("fit"):
            return {"seconds": self._fit(rows[:images], batch, xla="XLA" in how)}
        steps = images // batch
        order = np.resize(rows, (steps, batch))
        loop = self._loop(batch, xla="XLA" in how)
        start = time.perf_counter()
        loop(tf.constant(order)).numpy()
        return {"seconds": time.perf_counter() - start}

    def _fit(self, rows: Any, batch: int, *, xla: bool) -> float:
        """Train by ``Model.fit``."""
        if self.fitted != (xla, len(rows)):
            self.model.compile(
                optimizer=keras.optimizers.SGD(RATE),
                loss=LOSSES[self.network],
                jit_compile=xla,
                steps_per_execution=16,
            )
            self.fitted = (xla, len(rows))
            self.given = (self.images[rows], self.targets[rows])
        start = time.perf_counter()
        self.model.fit(*self.given, batch_size=batch, epochs=1, shuffle=True, verbose=0)
        return time.perf_counter() - start

    def _loop(self, batch: int, *, xla: bool) -> Callable[..., Any]:
        """Compile a loop over steps, its data in memory: no Python between steps."""
        key = ("loop", batch, xla)
        if key in self.loops:
            return self.loops[key]
        model, optimiser = self.model, keras.optimizers.SGD(RATE)
        optimiser.build(model.trainable_variables)
        of = keras.losses.get(LOSSES[self.network])
        images, targets = tf.constant(self.images), tf.constant(self.targets)

        @tf.function(jit_compile=xla, reduce_retracing=True)
        def step(seen: Any, wanted: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(of(wanted, model(seen, training=True)))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimiser.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        @tf.function(reduce_retracing=True)
        def loop(order: Any) -> Any:
            total = tf.constant(0.0)
            for places in order:
                total += step(tf.gather(images, places), tf.gather(targets, places))
            return total

        self.loops[key] = loop
        return loop


if __name__ == "__main__":
    peer = Peer()
    names = ("open", "make", "weigh", "loss", "step", "train")
    serve({name: getattr(peer, name) for name in names})
