"""Writes float_formats.txt: what ml_dtypes and NumPy say about the float formats, for tests/quant.

    python make_float_formats.py > float_formats.txt

Lines: `codes FORMAT` and the float32 bits of every code; `decode FORMAT` and `encode FORMAT` and the
SHA-256 of all decoded values or of the codes of the sampled values; `blocks FORMAT ROWSxCOLUMNS` and
the SHA-256 of a block-scaled tensor after rounding. Float32 bits are little-endian, NaN is 7fc00000.
"""

import hashlib

import ml_dtypes
import numpy as np

FORMATS = {
    "float8e4m3fn": (ml_dtypes.float8_e4m3fn, 8),
    "float8e5m2": (ml_dtypes.float8_e5m2, 8),
    "float4e2m1": (ml_dtypes.float4_e2m1fn, 4),
    "float16": (np.float16, 16),
    "bfloat16": (ml_dtypes.bfloat16, 16),
}


def decode(name):
    dtype, bits = FORMATS[name]
    codes = np.arange(1 << bits, dtype=np.uint16 if bits == 16 else np.uint8)
    return codes.view(dtype).astype(np.float32)


def encode(values, name):
    dtype, bits = FORMATS[name]
    with np.errstate(over="ignore"):
        if bits < 16:  # these saturate
            largest = np.float32(ml_dtypes.finfo(dtype).max)
            values = np.clip(values, -largest, largest)
        return values.astype(dtype).view(np.uint16 if bits == 16 else np.uint8)


def digest(values):
    if values.dtype == np.float32:
        values = values.view(np.uint32).copy()
        is_nan = (values & 0x7FFFFFFF) > 0x7F800000
        values[is_nan] = 0x7FC00000
    return hashlib.sha256(values.tobytes()).hexdigest()


def sampled_values():
    """Float32 patterns in steps of a prime, NaN left out."""
    values = np.arange(0, 1 << 32, 65521, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return values[~np.isnan(values)]


def test_tensor(rows, columns):
    """Exact products of integers and powers of two from a linear congruential generator."""
    state, out = 1, np.empty(rows * columns, np.float32)
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) % (1 << 32)
        out[i] = np.float32(((state >> 8) - (1 << 23)) * 2.0 ** (-20 - (state >> 5) % 8))
    out[:columns] *= np.float32(2.0**-30)
    out[columns : 2 * columns] = 0
    return out.reshape(rows, columns)


def rounded(values, element):
    """Values rounded to an element format, signed zeros kept."""
    dtype, _ = FORMATS[element]
    largest = np.float32(ml_dtypes.finfo(dtype).max)
    return np.clip(values, -largest, largest).astype(dtype).astype(np.float32)


def mx(block, element):
    amax = np.abs(block).max()
    if amax == 0:
        return block
    _, exponent = np.frexp(np.float64(amax))
    _, top = np.frexp(np.float64(ml_dtypes.finfo(FORMATS[element][0]).max))
    scale = np.float32(2.0 ** np.clip(exponent - top, -127, 127))
    return rounded(block / scale, element) * scale


def nvfp4(block, tensor_scale):
    amax = np.abs(block).max()
    if amax == 0:
        return block
    scale = rounded(amax / (np.float32(6) * tensor_scale), "float8e4m3fn")
    scale = np.maximum(scale, np.float32(2.0**-9)) * tensor_scale
    return rounded(block / scale, "float4e2m1") * scale


def blocks(name, rows, columns):
    x = test_tensor(rows, columns)
    size = 16 if name == "NVFP4" else 32
    tensor_scale = np.abs(x).max() / np.float32(6 * 448)
    out = np.empty_like(x)
    for row in range(rows):
        for at in range(0, columns, size):
            block = x[row, at : at + size]
            out[row, at : at + size] = (
                nvfp4(block, tensor_scale)
                if name == "NVFP4"
                else mx(block, "float4e2m1" if name == "MXFP4" else "float8e4m3fn")
            )
    return out


for name, (_, bits) in FORMATS.items():
    if bits < 16:
        words = decode(name).view(np.uint32).copy()
        words[(words & 0x7FFFFFFF) > 0x7F800000] = 0x7FC00000
        print("codes", name, *(f"{w:08x}" for w in words))
    print("decode", name, digest(decode(name)))
    print("encode", name, digest(encode(sampled_values(), name)))
for name in ("NVFP4", "MXFP4", "MXFP8"):
    print("blocks", name, "48x40", digest(blocks(name, 48, 40)))
