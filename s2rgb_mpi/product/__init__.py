"""What is on disk: products, from their metadata; no pixel is read here.

`safe` reads what ESA's SAFE folders say of themselves; `bands` looks at the band files, whoever
names them, and makes a product of three that lie on one grid.
"""

from s2rgb_mpi.product.bands import Band, Product, cause, open_bands, open_raster, same_crs
from s2rgb_mpi.product.safe import open_safe
from s2rgb_mpi.product.warped import warped

__all__ = [
    "Band",
    "Product",
    "cause",
    "open_bands",
    "open_raster",
    "open_safe",
    "same_crs",
    "warped",
]
