"""Names and XML of a Sentinel-2 L2A product, as ESA writes them, for the products of `safe`.

Of ``MTD_MSIL2A.xml`` and ``MTD_TL.xml`` everything is there that says where the pixels are, what
they mean and when they were taken; footprints, angles, quality and auxiliary data are left out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date

from s2rgb_mpi.testing.texture import BANDS

EPSG = 32632
ORIGINS = {
    f"32T{column}{row}": (easting, northing)
    for column, easting in (("L", 300_000), ("M", 399_960), ("N", 499_980))
    for row, northing in (("T", 5_300_040), ("S", 5_200_020))
}
"""Upper left corners (easting, northing) in metres: 100 km squares, grown to multiples of 60 m."""

RESOLUTIONS = (10, 20, 60)
"""Pixel sizes of the images of a product, in metres."""

# Every product is of the same orbit over Switzerland, and so of the same time of day.
_SENSED_TIME = "T103041"
_GENERATED_TIME = "T180404"
_ORBIT = "A036427"
_RELATIVE_ORBIT = "R108"

# physicalBand, resolution in m, central wavelength in nm; the place in the list is the bandId.
_SPECTRAL_BANDS = (
    ("B1", 60, 442.7), ("B2", 10, 492.7), ("B3", 10, 559.8), ("B4", 10, 664.6), ("B5", 20, 704.1),
    ("B6", 20, 740.5), ("B7", 20, 782.8), ("B8", 10, 832.8), ("B8A", 20, 864.7), ("B9", 60, 945.1),
    ("B10", 60, 1373.5), ("B11", 20, 1613.7), ("B12", 20, 2202.4),
)  # fmt: skip


@dataclass(frozen=True)
class Product:
    """What names and metadata of a product say.

    Parameters
    ----------
    granule : str
        A key of `ORIGINS`.
    width, height : int
        Size in 10 m pixels.
    baseline : str
        Processing baseline, such as ``"05.09"``.
    offset : int or None
        BOA_ADD_OFFSET of all bands in DN; None for no list of offsets.
    quantification : int
        DN per unit of reflectance.
    resolutions : tuple of int
        Of the images, among `RESOLUTIONS`.
    date : str
        Of sensing and processing, such as ``"2022-06-13"``.

    Raises
    ------
    ValueError
        No product can have these.
    """

    granule: str
    width: int
    height: int
    baseline: str
    offset: int | None
    quantification: int
    resolutions: tuple[int, ...]
    date: str

    def __post_init__(self) -> None:
        """Reject what no product can have."""
        if self.granule not in ORIGINS:
            raise ValueError(f"granule {self.granule!r} is not one of {', '.join(ORIGINS)}")
        if not re.fullmatch(r"\d\d\.\d\d", self.baseline):
            raise ValueError(f"baseline {self.baseline!r} is not like 05.09")
        if min(self.width, self.height) < 1:
            raise ValueError(f"{self.width} x {self.height} pixels are no image")
        if self.quantification < 1:
            raise ValueError(f"quantification {self.quantification} is not above 0")
        if not self.resolutions or not set(self.resolutions) <= set(RESOLUTIONS):
            raise ValueError(f"resolutions {self.resolutions} are not among {RESOLUTIONS}")
        if len(set(self.resolutions)) < len(self.resolutions):
            raise ValueError(f"resolutions {self.resolutions} are not distinct")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"date {self.date!r} is not like 2022-06-13") from None

    @property
    def sensed(self) -> str:
        """Sensing time, as names have it."""
        return f"{date.fromisoformat(self.date):%Y%m%d}{_SENSED_TIME}"

    @property
    def generated(self) -> str:
        """Processing time, as names have it."""
        return f"{date.fromisoformat(self.date):%Y%m%d}{_GENERATED_TIME}"

    @property
    def name(self) -> str:
        """Name of the product folder."""
        processed = f"N{self.baseline.replace('.', '')}_{_RELATIVE_ORBIT}_T{self.granule}"
        return f"S2A_MSIL2A_{self.sensed}_{processed}_{self.generated}.SAFE"

    @property
    def granule_folder(self) -> str:
        """Folder of the granule, relative to the product folder."""
        return f"GRANULE/L2A_T{self.granule}_{_ORBIT}_{self.sensed}"

    def image(self, band: str, resolution: int) -> str:
        """Name a band file, relative to the product folder, without extension as in the metadata.

        Parameters
        ----------
        band : str
            Such as B04.
        resolution : {10, 20, 60}
            In metres.
        """
        name = f"T{self.granule}_{self.sensed}_{band}_{resolution}m"
        return f"{self.granule_folder}/IMG_DATA/R{resolution}m/{name}"

    def size(self, resolution: int) -> tuple[int, int]:
        """Return width and height in pixels at a resolution in metres."""
        return math.ceil(self.width * 10 / resolution), math.ceil(self.height * 10 / resolution)


def _iso(time: str) -> str:
    """Write ``20220613T103041`` as ``2022-06-13T10:30:41.024Z``."""
    return re.sub(r"(....)(..)(..)T(..)(..)(..)", r"\1-\2-\3T\4:\5:\6.024Z", time)


def product_xml(product: Product) -> str:
    """Return the text of ``MTD_MSIL2A.xml``."""
    xsd = "https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="{xsd}">
  <n1:General_Info>{_info_xml(product)}{_characteristics_xml(product)}
  </n1:General_Info>
</n1:Level-2A_User_Product>
"""


def _info_xml(product: Product) -> str:
    baseline, orbit = product.baseline, _ORBIT[1:]
    images = "".join(
        f"\n          <IMAGE_FILE>{product.image(band, resolution)}</IMAGE_FILE>"
        for resolution in product.resolutions
        for band in sorted(BANDS)
    )
    return f"""
    <Product_Info>
      <PRODUCT_START_TIME>{_iso(product.sensed)}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{_iso(product.sensed)}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{product.name}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{_iso(product.generated)}</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2A_{product.sensed}_{orbit}_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <DATATAKE_SENSING_START>{_iso(product.sensed)}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{int(_RELATIVE_ORBIT[1:])}</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Query_Options completeSingleTile="true">
        <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
      </Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="{_identifier(product, "DS", "S" + product.sensed)}"
                   granuleIdentifier="{_identifier(product, "TL", f"{_ORBIT}_T{product.granule}")}"
                   imageFormat="JPEG2000">{images}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>"""


def _characteristics_xml(product: Product) -> str:
    special = "".join(
        f"""
      <Special_Values>
        <SPECIAL_VALUE_TEXT>{text}</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>{index}</SPECIAL_VALUE_INDEX>
      </Special_Values>"""
        for text, index in (("NODATA", 0), ("SATURATED", 65535))
    )
    spectral = "".join(
        f"""
        <Spectral_Information bandId="{band_id}" physicalBand="{band}">
          <RESOLUTION>{resolution}</RESOLUTION>
          <Wavelength><CENTRAL unit="nm">{wavelength}</CENTRAL></Wavelength>
        </Spectral_Information>"""
        for band_id, (band, resolution, wavelength) in enumerate(_SPECTRAL_BANDS)
    )
    return f"""
    <Product_Image_Characteristics>{special}
      <Image_Display_Order>
        <RED_CHANNEL>3</RED_CHANNEL>
        <GREEN_CHANNEL>2</GREEN_CHANNEL>
        <BLUE_CHANNEL>1</BLUE_CHANNEL>
      </Image_Display_Order>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">{product.quantification}</BOA_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>{_offset_xml(product.offset)}
      <Spectral_Information_List>{spectral}
      </Spectral_Information_List>
      <REFERENCE_BAND>3</REFERENCE_BAND>
    </Product_Image_Characteristics>"""


def _identifier(product: Product, kind: str, what: str) -> str:
    """Return the identifier of a data strip (DS) or granule (TL) of the product."""
    return f"S2A_OPER_MSI_L2A_{kind}_VGS2_{product.generated}_{what}_N{product.baseline}"


def _offset_xml(offset: int | None) -> str:
    """List the offset of each of the 13 bands, or nothing."""
    if offset is None:
        return ""
    entries = "".join(
        f'\n        <BOA_ADD_OFFSET band_id="{band_id}">{offset}</BOA_ADD_OFFSET>'
        for band_id in range(len(_SPECTRAL_BANDS))
    )
    return f"""
      <BOA_ADD_OFFSET_VALUES_LIST>{entries}
      </BOA_ADD_OFFSET_VALUES_LIST>"""


def granule_xml(product: Product) -> str:
    """Return the text of ``MTD_TL.xml``; it has all three resolutions whichever are written."""
    easting, northing = ORIGINS[product.granule]
    sizes = {resolution: product.size(resolution) for resolution in RESOLUTIONS}
    size = "".join(
        f"""
      <Size resolution="{resolution}">
        <NROWS>{height}</NROWS>
        <NCOLS>{width}</NCOLS>
      </Size>"""
        for resolution, (width, height) in sizes.items()
    )
    position = "".join(
        f"""
      <Geoposition resolution="{resolution}">
        <ULX>{easting}</ULX>
        <ULY>{northing}</ULY>
        <XDIM>{resolution}</XDIM>
        <YDIM>-{resolution}</YDIM>
      </Geoposition>"""
        for resolution in sizes
    )
    tile_id = _identifier(product, "TL", f"{_ORBIT}_T{product.granule}")
    xsd = "https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="{xsd}">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{tile_id}</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">{_iso(product.sensed)}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone 32N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{EPSG}</HORIZONTAL_CS_CODE>{size}{position}
    </Tile_Geocoding>
  </n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""
