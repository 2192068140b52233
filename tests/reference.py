"""The expected image, written independently in plain float64, without code of the package."""

import numpy as np


def rgb(dn, *, offset=0, quantification=10_000.0, black=0.0, white=1.0, gamma=2.2):
    """Colour digital numbers, shape (height, width, 3), pixel by pixel."""
    reflectance = (dn.astype(np.float64) + offset) / quantification
    return coloured(reflectance, (dn != 0).any(axis=2), black=black, white=white, gamma=gamma)


def coloured(reflectance, valid, *, black=0.0, white=1.0, gamma=2.2):
    """Colour reflectance, shape (height, width, 3), where it is valid."""
    share = np.clip((reflectance - black) / (white - black), 0, 1)
    value = np.clip(np.floor(255 * share ** (1 / gamma) + 0.5), 1, 255)
    return np.where(valid[..., np.newaxis], value, 0).astype(np.uint8)


def tci(dn, *, offset=0, quantification=10_000):
    """ESA's true-colour image of L2A, in whole numbers: 1 + 254 r / 2500 where q is 10,000."""
    r = dn.astype(np.int64) + offset
    return np.where(r <= 0, 0, np.minimum(255, 1 + 4 * 254 * r // quantification))


def exopp(dn, *, offset=0, quantification=10_000):
    """The exercise's recipe; what it writes for DN 0 is its "no data"."""
    share = np.clip(((dn.astype(float) + offset) * 10_000 / quantification - 200) / 9600, 0, 1)
    return (share**0.6 * 255).astype(np.uint8)


def kept_apart(image, dn):
    """Let valid pixels be 1 at least, and the others 0."""
    return np.where((dn != 0).any(axis=2, keepdims=True), np.maximum(image, 1), 0)


def block_means(dn, factor, *, left=0, top=0):
    """Average the valid DN of factor x factor pixels of each band, halves up; (height, width, 3).

    The first block lacks `left` columns and `top` rows, the last ones what the image lacks.
    """
    height, width = dn.shape[0] + top, dn.shape[1] + left
    padded = np.zeros((height + -height % factor, width + -width % factor, 3), dtype=np.int64)
    padded[top:height, left:width] = dn
    shape = len(padded) // factor, factor, padded.shape[1] // factor, factor, 3
    blocks = padded.reshape(shape)
    count = np.maximum((blocks != 0).sum(axis=(1, 3)), 1)
    return (2 * blocks.sum(axis=(1, 3)) + count) // (2 * count)


def halve(image, valid=None):
    """Average 2 x 2 pixels over the valid ones; what an odd edge lacks is not valid.

    Valid pixels are those that are not 0 in all bands, unless they are given.
    """
    height, width = image.shape[:2]
    valid = image.any(axis=2) if valid is None else valid
    padded = np.full((height + height % 2, width + width % 2, 3), np.nan)
    padded[:height, :width] = np.where(valid[..., np.newaxis], image, np.nan)
    four = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, 3)
    count = (~np.isnan(four)).sum(axis=(1, 3))
    mean = np.nansum(four, axis=(1, 3)) / np.maximum(count, 1)
    return np.floor(mean + 0.5).astype(np.uint8)


def halve_valid(valid):
    """Return which pixels are valid after :func:`halve`: those with any valid one."""
    height, width = valid.shape
    padded = np.pad(valid, ((0, height % 2), (0, width % 2)))
    return padded.reshape(-(-height // 2), 2, -(-width // 2), 2).any(axis=(1, 3))
