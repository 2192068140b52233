"""The page: everything in one file, and a browser shows it."""

import base64
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from osgeo import gdal, gdal_array

from accounts import make_account, make_band, make_tally
from browser import BROWSER, NO_BROWSER, OPTIONS
from s2rgb_mpi.report import charts
from s2rgb_mpi.report.html import page
from s2rgb_mpi.report.summary import summary
from s2rgb_mpi.timing import STAGES, Span


def png(width, height, colour):
    array = np.zeros((3, height, width), np.uint8) + np.array(colour, np.uint8)[:, None, None]
    name = "/vsimem/page.png"
    gdal.GetDriverByName("PNG").CreateCopy(name, gdal_array.OpenArray(array))
    file = gdal.VSIFOpenL(name, "rb")
    data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL(name).size, file))
    gdal.VSIFCloseL(file)
    gdal.Unlink(name)
    return data


class Elements(HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, document):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def images(self):
        return {
            found["id"]: base64.b64decode(found["src"].partition("base64,")[2])
            for tag, found in self.elements
            if tag == "img"
        }


def words_of(document):
    """Return the text with a space between cells, paragraphs and lines."""
    return " ".join(Elements(re.sub("</t[dh]>", " ", document)).text.split())


PICTURE = png(64, 64, (200, 30, 180))


@pytest.fixture(scope="module")
def document():
    """The page of a run that has something to warn of."""
    return page(make_account(warnings=["offset <odd>"]), PICTURE).decode()


def test_nothing_comes_from_elsewhere(document):
    elements = Elements(document)
    assert {tag for tag, _ in elements.elements} & {"script", "iframe", "object"} == set()
    addresses = [
        found[name] for _, found in elements.elements for name in ("src", "href") if name in found
    ]
    assert len(addresses) == 4
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in document


def test_it_says_what_the_summary_says_and_what_was_read(document):
    text = Elements(document).text
    for line in summary(make_account()):
        assert line in text
    for words in ("offset <odd>", "S2A <odd> & name", "-1000", "B04.jp2", "Seconds in each stage"):
        assert words in text


def test_the_facts_stand_before_the_warning_and_the_verdict(document):
    text = words_of(document)
    words = (
        "sensing date 2022-06-13 CRS UTM 32N (EPSG:32632) pixel size 10 m"
        " image size 2000 x 1200 pixels valid pixels 75.00 %"
        " colour boa, black 0, white 1, gamma 2.2 offset check agrees"
        " made 2026-11-27 09:30 UTC warning: offset <odd> decode-bound:"
    )
    assert words in text
    assert text.endswith("Command line mpirun -n 4 s2rgb-mpi 'S2A <odd> & name.SAFE' -o rgb.tif")
    assert "10000.0" not in text


def test_a_mosaic_names_its_products_once(document):
    one = make_account().inputs[0]
    other = {**one, "name": "S2B", "sensing_time": None, "offset_check": "undecided (0 pixels)"}
    mosaic = page(make_account(inputs=[one, other, other]), PICTURE).decode()
    text = words_of(mosaic)
    assert text.count("S2A <odd> & name and 2 more") == 2  # in the title and above all
    assert "sensing date 2022-06-13, unknown CRS" in text
    assert "offset check agrees, undecided made 2026" in text
    assert "S2B – 05.09 2,000,000 the product's own list undecided (0 pixels)" in text
    assert "and 0 more" not in document


def test_a_process_alone_and_a_call_from_python_have_no_launcher():
    alone = [make_tally(0, "coordinator, worker and writer", read=9.0, append=1.0)]
    text = Elements(page(make_account(tallies=alone), PICTURE).decode()).text
    assert "\ns2rgb-mpi 'S2A" in text
    assert "mpirun" not in text
    assert "Command line" not in page(make_account(command=[]), PICTURE).decode()


def test_clipped_pixels_are_seen_and_counted():
    band = make_band("B04", 100)
    histogram = list(band.histogram)
    histogram[1], histogram[255] = 90_000, 360_000  # of 2,250,000
    clipped = replace(band, histogram=histogram)
    bands = [clipped, *make_account().bands[1:]]
    written = page(make_account(bands=bands), PICTURE).decode()
    svg = Elements(written).images()["histograms"].decode()
    assert ">4.0% darkest, 16.0% saturated</text>" in svg
    assert svg.count(">0.0% darkest, 0.0% saturated</text>") == 2
    assert "4.00 16.00 75.00" in words_of(written)
    assert charts.MARGINS[0] < -0.5
    assert charts.MARGINS[1] > 255.5


def test_the_quicklook_is_in_it(document):
    assert Elements(document).images()["quicklook"] == PICTURE


def test_the_gantt_has_a_bar_for_every_span(document):
    svg = Elements(document).images()["gantt"].decode()
    for tally in make_account().tallies:
        assert f">rank {tally.rank} {tally.role}</text>" in svg
    for stage in ("idle", "open", "read", "encode", "finalise"):
        # A bar for each span, and one in the legend.
        spans = sum(span.stage == stage for t in make_account().tallies for span in t.spans or ())
        assert svg.count(f"fill: {charts.COLOURS[stage]}") == spans + 1
    assert ">send-wait</text>" not in svg


def test_many_spans_are_drawn_as_one_picture(monkeypatch):
    spans = [Span("read", number, number, number + 0.5) for number in range(10)]
    monkeypatch.setattr(charts, "MANY_SPANS", 19)
    svg = charts.gantt({"rank 0": spans, "rank 1": spans}, wall=10.0).decode()
    assert "<image" in svg
    assert svg.count(f"fill: {charts.COLOURS['read']}") == 1  # in the legend
    few = charts.gantt({"rank 0": spans}, wall=10.0).decode()
    assert "<image" not in few
    assert few.count(f"fill: {charts.COLOURS['read']}") == 11


def test_every_stage_has_a_colour_of_its_own():
    assert list(charts.COLOURS) == list(STAGES)
    assert len(set(charts.COLOURS.values())) == len(STAGES)


def test_the_histograms_have_their_bands_and_curves(document):
    svg = Elements(document).images()["histograms"].decode()
    for name, colour in zip(("B04", "B03", "B02"), charts.BAND_COLOURS, strict=True):
        assert f">{name}</text>" in svg
        assert svg.count(f"fill: {colour}") == 1
    # The curve of each table is one line; matplotlib leaves points out where nobody would see it.
    lines = re.findall(rf'<path d="([^"]*)"[^>]*stroke: {charts.CURVE_COLOUR}', svg)
    assert [line.count("L ") > 10 for line in lines] == [True] * 3


def test_the_same_account_gives_the_same_page(document):
    assert page(make_account(warnings=["offset <odd>"]), PICTURE).decode() == document


def shoot(document, folder, width, height):
    """Return a page as a browser shows it, (row, col, band), and what the browser said."""
    if BROWSER is None:
        pytest.skip(NO_BROWSER)
    (folder / "r.html").write_text(document)
    run = subprocess.run(
        [
            BROWSER,
            *OPTIONS,
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},{height}",
            f"--screenshot={folder / 'shot.png'}",
            (folder / "r.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    image = np.moveaxis(gdal.Open(str(folder / "shot.png")).ReadAsArray(), 0, -1)
    return image, run.stderr


@pytest.fixture(scope="module")
def shot(document, tmp_path_factory):
    return shoot(document, tmp_path_factory.mktemp("browser"), 1000, 2000)


@pytest.mark.parametrize("width", [500, 1000])
def test_long_paths_stay_in_their_boxes(tmp_path, width):
    """The page has a margin of 1rem, into which nothing may reach."""
    path = "/" + "/".join(["scratch"] * 40)
    account = make_account(
        warnings=[f"{path}: cannot be read"],
        output={**make_account().output, "path": path},
        command=[path, "-o", path],
    )
    image, _ = shoot(page(account, PICTURE).decode(), tmp_path, width, 4000)
    assert image.shape[:2] == (4000, width)
    assert (image[:, -15:, :3] == 255).all()
    assert pixels_of(image, [0x22, 0x22, 0x22]) > 1000  # there is text


def pixels_of(image, colour):
    """Count the pixels of a colour."""
    return np.count_nonzero(np.abs(image[..., :3].astype(int) - colour).max(axis=-1) <= 3)


def rgb(colour):
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def test_a_browser_shows_its_pictures(shot):
    image, _ = shot
    assert image.shape[:2] == (2000, 1000)
    assert pixels_of(image, [200, 30, 180]) >= 64 * 64  # the quicklook, in full
    # The bars of the Gantt chart: reading is most of two rows, idleness of two others.
    assert pixels_of(image, rgb(charts.COLOURS["read"])) > 5_000
    assert pixels_of(image, rgb(charts.COLOURS["idle"])) > 5_000
    assert pixels_of(image, rgb(charts.COLOURS["encode"])) > 50
    # The histograms' bars are their colours, laid over white at 60 %.
    for colour in charts.BAND_COLOURS:
        assert pixels_of(image, [0.6 * value + 0.4 * 255 for value in rgb(colour)]) > 20


def test_a_browser_has_nothing_to_complain_of(shot):
    _, said = shot
    assert "bytes written to file" in said  # it did speak
    assert [line for line in said.splitlines() if "CONSOLE" in line] == []
