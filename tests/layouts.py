"""Products in other layouts than today's SAFE: tiles of the AWS buckets, granules of 2016."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rasters import TRANSFORM, scene, write_jp2

TILE = "tiles/32/T/MT/2022/7/18/0"
PRODUCT = "products/2022/7/18/{}"
BANDS = ("B04", "B03", "B02")
TILE_XML = """<n1:Level-{level}_Tile_ID xmlns:n1="x"><n1:General_Info>
<TILE_ID>S2A_OPER_MSI_L{level}_TL_2APS_20220718T162000_A036930_T32TMT_N{baseline}</TILE_ID>
<SENSING_TIME>2022-07-18T10:36:32.000Z</SENSING_TIME></n1:General_Info>{geocoding}
</n1:Level-{level}_Tile_ID>"""
PRODUCT_XML = """<n1:Level-{level}_User_Product xmlns:n1="x"><PROCESSING_BASELINE>{baseline}
</PROCESSING_BASELINE><PRODUCT_URI>{name}.SAFE</PRODUCT_URI>
<{prefix}QUANTIFICATION_VALUE>10000</{prefix}QUANTIFICATION_VALUE>{offsets}
</n1:Level-{level}_User_Product>"""


def name_of(baseline: str, level: str = "2A") -> str:
    """Return the name of the product that the tile belongs to."""
    digits = baseline.replace(".", "")
    return f"S2A_MSIL{level}_20220718T102611_N{digits}_R108_T32TMT_20220718T162000"


def offset_list(value: int, tag: str = "BOA_ADD_OFFSET") -> str:
    """Return the list of offsets of a product, all the same."""
    return "".join(f'<{tag} band_id="{number}">{value}</{tag}>' for number in range(13))


def write_tile(
    bucket: Path,
    baseline: str = "04.00",
    level: str = "2A",
    *,
    resolution: int = 10,
    geocoding: str = "",
    product: bool = True,
) -> Path:
    """Write a tile; return its folder. Without `product` no file names its product."""
    folder = bucket / TILE
    images = folder / f"R{resolution}m" if level == "2A" else folder
    transform = (399960.0, resolution, 0.0, 5300040.0, 0.0, -resolution)
    for number, band in enumerate(BANDS):
        write_jp2(images / f"{band}.jp2", tile_dn()[..., number], transform=transform)
    text = TILE_XML.format(level=level, baseline=baseline, geocoding=geocoding)
    (folder / "metadata.xml").write_text(text)
    info: dict[str, object] = {"path": TILE, "timestamp": "2022-07-18T10:36:32.000Z", "utmZone": 32}
    if product:
        name = name_of(baseline, level)
        path = PRODUCT.format(name)
        info |= {"productName": name, "productPath": path}
        content = {"name": name, "path": path, "tiles": [{"path": TILE}]}
        (folder / "productInfo.json").write_text(json.dumps(content))
    (folder / "tileInfo.json").write_text(json.dumps(info))
    return folder


def write_product(bucket: Path, baseline: str, offsets: str, level: str = "2A") -> None:
    """Write the metadata of the tile's product, where the bucket has them."""
    name = name_of(baseline, level)
    folder = bucket / PRODUCT.format(name)
    folder.mkdir(parents=True)
    prefix = "BOA_" if level == "2A" else ""
    text = PRODUCT_XML.format(
        level=level, baseline=baseline, name=name, offsets=offsets, prefix=prefix
    )
    (folder / "metadata.xml").write_text(text)


def tile_dn() -> NDArray[np.uint16]:
    """Return the DN of the tile: no pixel is darker than its offset."""
    return scene(darkest=1000)


OLD_NAME = "S2A_USER_PRD_MSIL2A_PDMC_20160725T190000_R022_V20160725T101559_20160725T101559"
OLD_METADATA = "S2A_USER_MTD_SAFL2A_PDMC_20160725T190000_R022_V20160725T101559_20160725T101559.xml"
GRANULES = ("32TNT", "32TMT")
"""In the order of the metadata, which is not that of the names."""

OLD_GEOCODING = """<n1:Level-2A_Tile_ID xmlns:n1="x"><Tile_Geocoding>
<HORIZONTAL_CS_CODE>EPSG:32632</HORIZONTAL_CS_CODE>
<Size resolution="10"><NROWS>150</NROWS><NCOLS>200</NCOLS></Size>
<Geoposition resolution="10"><ULX>{x}</ULX><ULY>5300040</ULY><XDIM>10</XDIM><YDIM>-10</YDIM>
</Geoposition></Tile_Geocoding></n1:Level-2A_Tile_ID>"""


def identifier(tile: str) -> str:
    """Return the identifier of a granule."""
    return f"S2A_USER_MSI_L2A_TL_MPS__20160725T140000_A005696_T{tile}_N02.04"


def granule_dn(tile: str) -> NDArray[np.uint16]:
    """Return the DN of a granule."""
    return np.roll(scene(), 7 * GRANULES.index(tile), axis=1)


def write_granules(folder: Path) -> Path:
    """Write a product whose second granule lies 100 pixels east of the first, 100 of 200 shared."""
    top = folder / f"{OLD_NAME}.SAFE"
    nodes = ""
    for number, tile in enumerate(GRANULES):
        granule, x = identifier(tile), 399960 + 1000 * number
        images = top / "GRANULE" / granule / "IMG_DATA" / "R10m"
        names = {band: f"{granule.removesuffix('_N02.04')}_{band}_10m" for band in ("B04", "B03")}
        names["B02"] = names["B04"].replace("B04", "B02")
        for layer, (_, name) in enumerate(sorted(names.items(), reverse=True)):
            transform = (x, *TRANSFORM[1:])
            write_jp2(images / f"{name}.jp2", granule_dn(tile)[..., layer], transform=transform)
        old_name = granule.replace("_MSI_", "_MTD_").removesuffix("_N02.04")
        (top / "GRANULE" / granule / f"{old_name}.xml").write_text(OLD_GEOCODING.format(x=x))
        listed = "".join(f"<IMAGE_ID_2A>{name}</IMAGE_ID_2A>" for name in names.values())
        nodes += (
            f'<Granule_List><Granules granuleIdentifier="{granule}">{listed}</Granules>'
            "</Granule_List>"
        )
    (top / OLD_METADATA).write_text(
        f"""<n1:Level-2A_User_Product xmlns:n1="x"><L2A_Product_Info>
        <PROCESSING_BASELINE>02.04</PROCESSING_BASELINE>{nodes}</L2A_Product_Info>
        <L2A_BOA_QUANTIFICATION_VALUE>10000</L2A_BOA_QUANTIFICATION_VALUE>
        </n1:Level-2A_User_Product>"""
    )
    return top
