"""Before a run: which problem is named first, and what is hardly meant as it was given."""

import shutil

import pytest

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.image.radiometry import Stretch, Tci
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare, warnings


def test_wrong_inputs_are_named_before_an_output_that_is_there(safe, tmp_path):
    output = tmp_path / "rgb.tif"
    output.touch()
    with pytest.raises(InputError, match=r"absent\.SAFE: no such file"):
        prepare(Job(tmp_path / "absent.SAFE", output))
    with pytest.raises(UsageError, match=r"exists already; --overwrite replaces it$"):
        prepare(Job(safe, output))


@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.JPEG", "rgb.png", "rgb.jp2"])
def test_a_name_of_another_image_format_is_a_warning(safe, tmp_path, name):
    output = tmp_path / name
    (warning,) = warnings(prepare(Job(safe, output)))
    assert warning.startswith(f"{output}: will be a GeoTIFF, not {output.suffix.lower()}; ")
    assert "--compress jpeg or webp" in warning


@pytest.mark.parametrize("name", ["rgb.tif", "rgb.TIFF", "rgb", "rgb.v2"])
def test_other_names_are_as_good(safe, tmp_path, name):
    assert warnings(prepare(Job(safe, tmp_path / name))) == []


@pytest.mark.parametrize("white", [40.0, 4000.0])
def test_a_white_that_is_no_reflectance_is_a_warning(safe, tmp_path, white):
    stretch = Stretch(white=white)
    (warning,) = warnings(prepare(Job(safe, tmp_path / "rgb.tif", stretch=stretch)))
    words = (
        "a reflectance, which is 0 to 1, so the image will be dark; --white 0.4 suits most scenes"
    )
    assert warning == f"--white {white:g}: {words}"
    # Of values in a unit of the user's own it may be right.
    own = Job(safe, tmp_path / "rgb.tif", stretch=stretch, quantification=1.0)
    assert warnings(prepare(own)) == []


@pytest.mark.parametrize("stretch", [Stretch(), Stretch(white=2.0), Tci()])
def test_a_white_of_bright_clouds_is_as_good(safe, tmp_path, stretch):
    assert warnings(prepare(Job(safe, tmp_path / "rgb.tif", stretch=stretch))) == []


@pytest.mark.parametrize("given", ["", "MTD_MSIL2A.xml"])
@pytest.mark.parametrize("name", ["MTD_MSIL2A.xml", "GRANULE/*/MTD_TL.xml"])
def test_no_file_of_a_product_is_replaced(safe, given, name):
    (file,) = safe.glob(name)
    before = file.read_bytes()
    with pytest.raises(UsageError, match="is a file of the input; name another"):
        prepare(Job(safe / given, file, overwrite=True))
    assert file.read_bytes() == before


def test_an_image_in_the_folder_of_its_product_is(safe, tmp_path):
    product = tmp_path / safe.name
    shutil.copytree(safe, product)
    output = product / "rgb.tif"
    output.touch()
    assert prepare(Job(product, output, overwrite=True)).job.output == output
