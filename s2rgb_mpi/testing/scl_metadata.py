"""What the XML of a Sentinel-2 L2A product says of its scene classification: classes and shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.testing.scl import CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLOUDS = (8, 9, 10)
"""Classes that ESA counts as cloud: shadows are not among them."""

# In the order of the classes; a percentage has another name than its class.
_PERCENTAGES = (
    "NODATA_PIXEL", "SATURATED_DEFECTIVE_PIXEL", "DARK_FEATURES", "CLOUD_SHADOW", "VEGETATION",
    "NOT_VEGETATED", "WATER", "UNCLASSIFIED", "MEDIUM_PROBA_CLOUDS", "HIGH_PROBA_CLOUDS",
    "THIN_CIRRUS", "SNOW_ICE",
)  # fmt: skip


def cloud_cover(shares: Sequence[float]) -> float:
    """Return the percentage of clouds, of the shares of all classes, percent."""
    return sum(shares[number] for number in _CLOUDS)


def classes_xml() -> str:
    """Return the list of classes of ``MTD_MSIL2A.xml``."""
    entries = "".join(
        f"""
        <Scene_Classification_ID>
          <SCENE_CLASSIFICATION_TEXT>SC_{name}</SCENE_CLASSIFICATION_TEXT>
          <SCENE_CLASSIFICATION_INDEX>{number}</SCENE_CLASSIFICATION_INDEX>
        </Scene_Classification_ID>"""
        for number, name in enumerate(CLASSES)
    )
    return f"""
      <Scene_Classification_List>{entries}
      </Scene_Classification_List>"""


def product_quality_xml(shares: Sequence[float]) -> str:
    """Return the quality indicators of ``MTD_MSIL2A.xml``, from the shares of classes, percent."""
    cover = f"<Cloud_Coverage_Assessment>{cloud_cover(shares):.6f}</Cloud_Coverage_Assessment>"
    return f"""
  <n1:Quality_Indicators_Info>
    {cover}
    <Image_Content_QI>{_percentages_xml(shares)}
    </Image_Content_QI>
  </n1:Quality_Indicators_Info>"""


def granule_quality_xml(shares: Sequence[float]) -> str:
    """Return the quality indicators of ``MTD_TL.xml``, from the shares of classes, percent."""
    cover = f"<CLOUDY_PIXEL_PERCENTAGE>{cloud_cover(shares):.6f}</CLOUDY_PIXEL_PERCENTAGE>"
    return f"""
  <n1:Quality_Indicators_Info metadataLevel="Standard">
    <Image_Content_QI>
      {cover}{_percentages_xml(shares)}
    </Image_Content_QI>
  </n1:Quality_Indicators_Info>"""


def _percentages_xml(shares: Sequence[float]) -> str:
    return "".join(
        f"\n      <{name}_PERCENTAGE>{share:.6f}</{name}_PERCENTAGE>"
        for name, share in zip(_PERCENTAGES, shares, strict=True)
    )
