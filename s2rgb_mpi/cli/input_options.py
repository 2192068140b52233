"""The options of the input, the colour and the grid."""

from __future__ import annotations

from s2rgb_mpi.cli.option import (
    Group,
    Option,
    auto,
    auto_or_metres,
    band_file,
    numbers,
    values,
    words,
)
from s2rgb_mpi.image.radiometry import PRESETS, Stretch
from s2rgb_mpi.plan.job import CLOUDS as CLOUD_MODES
from s2rgb_mpi.plan.job import COMPOSITES, ORDERS, RESAMPLINGS, SOURCE_RESOLUTIONS, Job
from s2rgb_mpi.plan.path_fields import BAND_FILES

INPUT = (
    Option(
        "products",
        Job,
        "a SAFE folder, the MTD_MSIL2A.xml in it, or a zip or tar of it; an EOPF store, .zarr or"
        " .zarr.zip; a folder tiles/... of the AWS buckets; a STAC item, or the items of a saved"
        " search in their order (JSON); a"
        " raster with several bands; each as a path, a URL (http, https, s3) or a name of GDAL's"
        " such as /vsis3/...; several of one UTM grid: a mosaic, the first valid pixel in the order"
        " given wins",
        metavar="PRODUCT",
        nargs="*",
    ),
    Option(
        "--granule",
        Job,
        "one granule of a product of 2016 that has several, by its identifier or its tile,"
        " such as T32TMT (default: all, as a mosaic)",
        metavar="NAME",
    ),
    Option(
        "--rgb",
        Job,
        "three single-band files in place of PRODUCT, and for --clouds a fourth, the scene"
        " classification; may be repeated; in the folder of a SAFE product they use its metadata",
        read=band_file,
        metavar=("RED", "GREEN", "BLUE", "[SCL]"),
        nargs="+",
        counts=BAND_FILES,
        repeated=True,
    ),
    Option(
        "--bidx",
        Job,
        "band numbers in a raster with several bands (default: by their descriptions, such as"
        " B04 or red, or their colours)",
        read=numbers,
        metavar="R,G,B",
    ),
    Option(
        "--source-resolution",
        Job,
        "which band files of a SAFE or EOPF product, AWS tile or STAC item, metres (above 60:"
        " levels of GeoZarr stores); auto: the coarsest that serve --resolution or --zoom, and"
        " means of as many of their pixels as fit into one of the image; 10 without both; a"
        " number: just these, as they are (default: {default})",
        read=auto_or_metres,
        choices=SOURCE_RESOLUTIONS,
    ),
    Option(
        "--allow-l1c", Job, "accept top-of-atmosphere products, Level-1C, too (default: reject)"
    ),
    Option(
        "--offset",
        Job,
        "DN to add first, in place of the offset in the metadata (default: auto)",
        read=auto(int),
        metavar="auto|DN",
    ),
    Option(
        "--quantification",
        Job,
        "DN per unit of reflectance, in place of the value in the metadata (default: auto)",
        read=auto(float),
        metavar="auto|DN",
    ),
    Option(
        "--nodata",
        Job,
        "input values that mean nodata, in addition to those that files and metadata state, DN 0"
        " of unsigned integers, and NaN (default: none)",
        read=values,
        metavar="VALUE[,VALUE ...]",
    ),
    Option(
        "--strict",
        Job,
        "make these warnings errors: doubtful offsets and positions, pixels that contradict the"
        " offset or quantification, products that differ where they overlap, an image without a"
        " valid pixel (default: off)",
    ),
)

CLOUDS = (
    Option(
        "--clouds",
        Job,
        "cloudy pixels, by the scene classification (SCL) of each product; keep: as others; avoid:"
        " they yield to clear pixels of the other products; drop: they are no data (default:"
        " {default})",
        choices=CLOUD_MODES,
    ),
    Option(
        "--cloud-classes",
        Job,
        "the classes that are cloudy, numbers 1 to 11 or names: saturated (1), shadow (3),"
        " vegetation (4), bare (5), water (6), unclassified (7), cloud (8,9), cirrus (10), snow"
        " (11), strict (1,3,7,8,9,10) (default: shadow,cloud,cirrus)",
        read=words,
        metavar="CLASS[,CLASS ...]",
    ),
    Option(
        "--cloud-buffer",
        Job,
        "pixels as near to these are cloudy too, metres, rounded up to whole pixels of the"
        " classification, of 20 m (default: {default})",
        read=float,
        metavar="M",
    ),
    Option(
        "--composite",
        Job,
        "what becomes of several products; first: per pixel the first that has one; median: the"
        " median of all, band by band (default: {default})",
        choices=COMPOSITES,
    ),
    Option(
        "--order",
        Job,
        "which product is first; given: as they are named; clear: that with the largest share of"
        " clear pixels inside the image, by its scene classification; date: the newest (default:"
        " {default})",
        choices=ORDERS,
    ),
    Option(
        "--max-cloud",
        Job,
        "leave out products with more clouds than this by their metadata, percent (default: none"
        " is left out)",
        read=float,
        metavar="PERCENT",
    ),
    Option(
        "--source-map",
        Job,
        "write a second GeoTIFF, which says which product each pixel is from: 1 for the first, 0"
        " for no data; their names are in it (default: none)",
        metavar="FILE",
    ),
)

COLOUR = (
    Option(
        "--preset",
        Stretch,
        "boa, the formula above; tci, ESA's own true-colour image; exopp, the recipe of the"
        " course exercise; tci and exopp take none of the options below (default: {default})",
        choices=tuple(PRESETS),
    ),
    Option(
        "--black",
        Stretch,
        "reflectance that becomes the darkest value (default: {default})",
        read=float,
        metavar="RHO",
    ),
    Option(
        "--white",
        Stretch,
        "reflectance that becomes 255 (default: {default})",
        read=float,
        metavar="RHO",
    ),
    Option(
        "--gamma",
        Stretch,
        "exponent 1/G between them (default: {default})",
        read=float,
        metavar="G",
    ),
)

GRID = (
    Option(
        "--bounds",
        Job,
        "crop, snapped outward to whole pixels; W above E crosses the antimeridian (default:"
        " the whole extent)",
        read=float,
        metavar=("W", "S", "E", "N"),
        nargs=4,
    ),
    Option("--bounds-crs", Job, "the CRS of --bounds (default: {default})", metavar="CRS"),
    Option(
        "--crs",
        Job,
        "resample into another CRS, such as EPSG:2056 (default: the product's own)",
        metavar="CRS",
    ),
    Option(
        "--resolution",
        Job,
        "resample to pixels of this edge, units of the CRS (default: the product's own)",
        read=float,
        metavar="M",
    ),
    Option(
        "--resampling",
        Job,
        "method, with --crs, --resolution or --web-optimized; average: means of whole blocks of the"
        " input's pixels, and bilinear for the rest (default: average where several pixels of the"
        " input are one of the image, else nearest, or cubic with --web-optimized)",
        choices=RESAMPLINGS,
    ),
    Option(
        "--web-optimized",
        Job,
        "EPSG:3857 on the tiles of web maps, GoogleMapsCompatible: every TIFF tile of every level"
        " is one of them (default: off)",
    ),
    Option(
        "--zoom",
        Job,
        "with --web-optimized: the zoom of full resolution, 0..24 (default: that whose pixels are"
        " nearest in size to the product's)",
        read=int,
        metavar="N",
    ),
)

GROUPS = (
    Group("input", INPUT),
    Group("clouds", CLOUDS),
    Group(
        "colour",
        COLOUR,
        "boa: out = 255 * ((reflectance - black) / (white - black)) ** (1 / gamma)",
    ),
    Group("grid", GRID),
)
