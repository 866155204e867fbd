#!/usr/bin/env python3
"""Draws a small picture, stores it as JPEG and PNG, and what OpenCV makes of it, in pictures/ (RGB, .npy).

Needs opencv-python-headless, pillow and numpy; the files are committed, the tests need neither.
"""
import pathlib
import struct
import zlib

import cv2
import numpy as np

out = pathlib.Path(__file__).with_name("pictures")
rng = np.random.default_rng(3)
y, x = np.mgrid[:47, :61]
rgb = np.stack([127 + 120 * np.sin(x / 7) * np.cos(y / 9), 4 * x, 255 - 5 * y], -1) + rng.normal(0, 12, (47, 61, 3))
bgr = np.clip(rgb, 0, 255).astype(np.uint8)[:, :, ::-1]
cv2.imwrite(str(out / "picture.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
cv2.imwrite(str(out / "picture.png"), bgr)
cv2.imwrite(str(out / "alpha.png"), np.dstack([bgr, np.full(bgr.shape[:2], 40, np.uint8)]))
cv2.imwrite(str(out / "grey.png"), bgr[:, :, 0])


labels = np.minimum((x // 9 + y // 11) % 6, 5).astype(np.uint8)
labels[:3] = 255
cv2.imwrite(str(out / "mask.png"), labels)
np.save(out / "mask.npy", labels)
np.save(out / "mask_small.npy", cv2.resize(labels, (32, 24), interpolation=cv2.INTER_NEAREST))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# The same labels as 4-bit palette indices (255 does not fit and becomes 15), as Pascal VOC stores them.
indices = np.minimum(labels, 15)
even = np.pad(indices, ((0, 0), (0, 1)))
rows = b"".join(b"\0" + bytes(row[0::2] * 16 + row[1::2]) for row in even)
colours = bytes(rng.integers(0, 256, 48, np.uint8))
(out / "mask_palette.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 61, 47, 4, 3, 0, 0, 0)) + chunk(b"PLTE", colours)
                                       + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def save(name, picture):
    np.save(out / f"{name}.npy", np.ascontiguousarray(picture[:, :, ::-1]))


jpeg = cv2.imread(str(out / "picture.jpg"))
save("picture_jpg", jpeg)
save("picture_png", bgr)
for name, size, how in (("bilinear_down", (32, 24), cv2.INTER_LINEAR), ("bilinear_up", (100, 90), cv2.INTER_LINEAR), ("area_down", (20, 13), cv2.INTER_AREA),
                        ("area_up", (96, 64), cv2.INTER_AREA), ("nearest", (33, 70), cv2.INTER_NEAREST)):
    save(name, cv2.resize(bgr, size, interpolation=how))
# Resize the shorter side to 30, then the middle 24 x 20, as torchvision's Resize and CenterCrop place it.
middle = cv2.resize(bgr, (int(30 * 61 / 47), 30), interpolation=cv2.INTER_LINEAR)
save("crop_shorter", middle[round((30 - 24) / 2):, round((38 - 20) / 2):][:24, :20])

# Forms of PNG and JPEG in pictures/forms/, each with the RGB that Pillow makes of it (picture_forms_test.cc).
forms = out / "forms"
forms.mkdir(exist_ok=True)
small = np.ascontiguousarray(bgr[:17, :23, ::-1])
grey = small[:, :, 1]
wide = small.astype(np.uint16) * 256 + rng.integers(0, 256, small.shape).astype(np.uint16)


def passes(height, width, interlaced):
    """Rows and columns of each pass (PNG specification, section 8.2)."""
    if not interlaced:
        return [(slice(0, height), slice(0, width))]
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    return [(slice(y0, height, dy), slice(x0, width, dx)) for y0, x0, dy, dx in starts if y0 < height and x0 < width]


def png(name, values, colours, bits, chunks=(), interlaced=False):
    """`values`: [H, W] or [H, W, channels] as stored."""
    raw = b""
    for rows, columns in passes(*values.shape[:2], interlaced):
        for row in values[rows, columns]:
            flat = row.reshape(-1)
            if bits == 16:
                line = flat.astype(">u2").tobytes()
            elif bits == 8:
                line = flat.astype(np.uint8).tobytes()
            else:
                line = np.packbits(np.unpackbits(flat.astype(np.uint8)[:, None], axis=1)[:, 8 - bits:].reshape(-1)).tobytes()
            raw += b"\0" + line
    height, width = values.shape[:2]
    (forms / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, int(interlaced)))
                                        + b"".join(chunk(*c) for c in chunks) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def expect(name, pixels):
    np.save(forms / f"{name}.npy", np.ascontiguousarray(pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)))


GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
alpha8, alpha16 = rng.integers(0, 256, (17, 23, 1)), rng.integers(0, 65536, (17, 23, 1))
gamma = (b"gAMA", struct.pack(">I", 55556))
profile = (b"iCCP", b"mine\0\0" + zlib.compress(b"no profile at all"))
for interlaced in (False, True):
    suffix = "_interlaced" if interlaced else ""
    for name, values, colours, bits, pixels in (
            ("grey16", wide[:, :, 1], GREY, 16, grey), ("rgb16", wide, RGB, 16, small), ("rgba16", np.dstack([wide, alpha16]), RGBA, 16, small),
            ("greyalpha16", np.dstack([wide[:, :, 1], alpha16]), GREY_ALPHA, 16, grey), ("grey8", grey, GREY, 8, grey),
            ("greyalpha8", np.dstack([grey, alpha8]), GREY_ALPHA, 8, grey), ("rgba8", np.dstack([small, alpha8]), RGBA, 8, small)):
        png(name + suffix, values, colours, bits, interlaced=interlaced)
        expect(name + suffix, pixels)
    for bits in (1, 2, 4, 8):
        levels = (1 << bits) - 1
        index = grey >> (8 - bits)
        if bits < 8:
            png(f"grey{bits}{suffix}", index, GREY, bits, interlaced=interlaced)
            expect(f"grey{bits}{suffix}", (index.astype(int) * 255 // levels).astype(np.uint8))
        table = rng.integers(0, 256, (levels + 1, 3)).astype(np.uint8)
        png(f"palette{bits}{suffix}", index, PALETTE, bits, [(b"PLTE", table.tobytes()), (b"tRNS", bytes([0, 128]))], interlaced)
        expect(f"palette{bits}{suffix}", table[index])
for name, chunks in (("gamma", [gamma]), ("srgb", [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))]), ("linear", [(b"gAMA", struct.pack(">I", 100000))]),
                     ("profile", [profile]), ("transparent", [(b"tRNS", small[0, 0].astype(">u2").tobytes())]), ("background", [(b"bKGD", b"\0\1\0\2\0\3")])):
    png(name, small, RGB, 8, chunks)
    expect(name, small)
png("gamma16", wide, RGB, 16, [gamma])
expect("gamma16", small)

from PIL import Image  # noqa: E402  (Pillow: the reader that CMYK is compared with)

for made in sorted(forms.glob("*.png")):  # what is expected is what Pillow reads, but for its clipped 16-bit grey
    if not made.stem.startswith(("grey16", "greyalpha16")):
        assert np.array_equal(np.asarray(Image.open(made).convert("RGB")), np.load(made.with_suffix(".npy"))), made
    assert np.array_equal(cv2.imread(str(made))[:, :, ::-1], np.load(made.with_suffix(".npy"))), made
light = Image.fromarray(np.dstack([255 - small, np.minimum(small.min(2), 90)]), "CMYK")
light.save(forms / "cmyk.jpg", quality=92)
Image.fromarray(small).convert("L").save(forms / "grey.jpg", quality=92)
Image.fromarray(small).save(forms / "progressive.jpg", quality=92, progressive=True)
Image.fromarray(small).save(forms / "rotated.jpg", quality=92, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
# The Adobe marker's last byte names the transform: without one it is plain CMYK, with 2 it is YCCK.
cmyk = (forms / "cmyk.jpg").read_bytes()
adobe = cmyk.index(b"Adobe") + 11
(forms / "ycck.jpg").write_bytes(cmyk[:adobe] + b"\2" + cmyk[adobe + 1:])
big = np.ascontiguousarray(bgr[:, :, ::-1])
_, restarts = cv2.imencode(".jpg", big[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, 4])
restarts = restarts.tobytes()
at = restarts.index(b"\xff\xd1")
(forms / "stray.jpg").write_bytes(restarts[:at] + b"\1\2\3\4" + restarts[at:])
(forms / "stray_end.jpg").write_bytes(restarts[:-2] + b"\1\2\3" + restarts[-2:] + b"and more")
for made in sorted(forms.glob("*.jpg")):
    expect(made.stem, np.asarray(Image.open(made).convert("RGB")))
png("../mask16", labels.astype(np.uint16), GREY, 16)
png("../mask16_interlaced", labels.astype(np.uint16), GREY, 16, interlaced=True)
png("../mask16_large", labels.astype(np.uint16) * 257, GREY, 16)
png("../mask_alpha", np.dstack([labels, np.full_like(labels, 9)]), GREY_ALPHA, 8)
