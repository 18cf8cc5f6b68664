"""The slow twins of ``nta.detection.streams`` and ``nta.detection.appearance``: all frames in one array of float32."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter


def core_sd(values, least=1e-6):
    sd = float(np.std(values))
    for _ in range(30):
        core = values[np.abs(values) <= 3.0 * max(sd, least)]
        last, sd = sd, float(np.std(core, dtype=np.float64)) / 0.98658
        if abs(sd - last) <= 1e-4 * last:
            break
    return max(sd, least)


def noise_sd(samples):
    differences = np.diff(samples.astype(np.float32), axis=0) / np.float32(math.sqrt(2.0))
    differences -= np.median(differences, axis=(1, 2), keepdims=True)
    return max(core_sd(differences, least=0.2), 1.0 / math.sqrt(12.0))


def noise_map(samples, sd):
    differences = np.diff(samples.astype(np.float32), axis=0) / np.float32(math.sqrt(2.0))
    core = np.abs(differences) <= 3.0 * sd
    total = gaussian_filter(np.sum(differences**2, axis=0, where=core), 32.0, mode="nearest")
    count = gaussian_filter(np.sum(core, axis=0, dtype=np.float32), 32.0, mode="nearest")
    local = np.sqrt(total / np.maximum(count, 1e-3)) / 0.98658
    return np.maximum(local, np.float32(1.0 / math.sqrt(12.0))).astype(np.float32)


def background(samples, sd):
    median = np.median(samples, axis=0).astype(np.float32)
    near = np.abs(samples - median) <= 3.0 * sd
    total, count = np.sum(samples, axis=0, where=near, dtype=np.float64), np.sum(near, axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), median)
    return gaussian_filter(mean, 4.0, mode="nearest").astype(np.float32)


def spot_sd_px(samples, ground, sd):
    residuals = samples - ground
    centred = residuals - np.mean(residuals, axis=(1, 2), keepdims=True)
    lags = np.arange(1, 9)
    covariance = np.array([_covariance(centred, int(lag)) for lag in lags])
    if covariance[0] <= 8.0 * sd**2 / math.sqrt(2 * centred.size):
        return 1.35
    falling = np.minimum.accumulate(covariance) > 0.15 * covariance[0]
    if falling.sum() < 2:
        return 0.7
    slope = np.polyfit(lags[falling] ** 2.0, np.log(covariance[falling]), 1)[0]
    return math.sqrt(-0.25 / slope) if slope < 0 else 1.35


def _covariance(centred, lag):
    across = np.mean(centred[:, :, lag:] * centred[:, :, :-lag], dtype=np.float64)
    down = np.mean(centred[:, lag:, :] * centred[:, :-lag, :], dtype=np.float64)
    return float(across + down) / 2.0
