"""XML of a Sentinel-2 L2A product, as ESA writes it, for the products of `safe`.

Of ``MTD_MSIL2A.xml`` and ``MTD_TL.xml`` everything is there that says where the pixels are, what
they mean and when they were taken; footprints, angles and auxiliary data are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.testing.product import (
    EPSG,
    ORBIT,
    ORIGINS,
    RELATIVE_ORBIT,
    RESOLUTIONS,
    Product,
    iso,
)
from s2rgb_mpi.testing.scl_metadata import classes_xml, granule_quality_xml, product_quality_xml

if TYPE_CHECKING:
    from collections.abc import Sequence

# physicalBand, resolution in m, central wavelength in nm; the place in the list is the bandId.
_SPECTRAL_BANDS = (
    ("B1", 60, 442.7), ("B2", 10, 492.7), ("B3", 10, 559.8), ("B4", 10, 664.6), ("B5", 20, 704.1),
    ("B6", 20, 740.5), ("B7", 20, 782.8), ("B8", 10, 832.8), ("B8A", 20, 864.7), ("B9", 60, 945.1),
    ("B10", 60, 1373.5), ("B11", 20, 1613.7), ("B12", 20, 2202.4),
)  # fmt: skip


def product_xml(product: Product, shares: Sequence[float] | None = None) -> str:
    """Return the text of ``MTD_MSIL2A.xml``, with quality indicators where shares are known.

    Parameters
    ----------
    product : Product
        What the names say.
    shares : sequence of float, optional
        Of the classes 0 to 11 of the scene classification, percent.
    """
    quality = product_quality_xml(shares) if shares else ""
    xsd = "https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="{xsd}">
  <n1:General_Info>{_info_xml(product)}{_characteristics_xml(product)}
  </n1:General_Info>{quality}
</n1:Level-2A_User_Product>
"""


def _info_xml(product: Product) -> str:
    baseline, orbit = product.baseline, ORBIT[1:]
    images = "".join(
        f"\n          <IMAGE_FILE>{product.image(name, resolution)}</IMAGE_FILE>"
        for resolution in RESOLUTIONS
        for name in product.images(resolution)
    )
    return f"""
    <Product_Info>
      <PRODUCT_START_TIME>{iso(product.sensed)}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{iso(product.sensed)}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{product.name}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{iso(product.generated)}</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2A_{product.sensed}_{orbit}_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <DATATAKE_SENSING_START>{iso(product.sensed)}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{int(RELATIVE_ORBIT[1:])}</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Query_Options completeSingleTile="true">
        <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
      </Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="{product.identifier("DS", "S" + product.sensed)}"
                   granuleIdentifier="{product.identifier("TL", f"{ORBIT}_T{product.granule}")}"
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
      <REFERENCE_BAND>3</REFERENCE_BAND>{classes_xml() if product.scl else ""}
    </Product_Image_Characteristics>"""


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


def granule_xml(product: Product, shares: Sequence[float] | None = None) -> str:
    """Return the text of ``MTD_TL.xml``; it has all three resolutions whichever are written.

    Parameters are those of `product_xml`.
    """
    quality = granule_quality_xml(shares) if shares else ""
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
    tile_id = product.identifier("TL", f"{ORBIT}_T{product.granule}")
    xsd = "https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="{xsd}">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{tile_id}</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">{iso(product.sensed)}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone 32N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{EPSG}</HORIZONTAL_CS_CODE>{size}{position}
    </Tile_Geocoding>
  </n1:Geometric_Info>{quality}
</n1:Level-2A_Tile_ID>
"""
