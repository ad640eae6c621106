"""Pictures and figures to files and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import RunError
from coolrunner.runs.savers import load, save

np = pytest.importorskip("numpy", reason="numpy is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture
def figure() -> Any:
    module = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")
    figure = module.Figure(figsize=(2, 1), dpi=50)
    figure.subplots().plot([1, 2])
    return figure


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB"]
)
def test_a_picture_is_kept_to_the_pixel(mode: str, tmp_path: Path) -> None:
    image = (
        Image.effect_noise((4, 3), 50).convert(mode)
        if mode not in ("I;16", "LAB")
        else Image.new(mode, (4, 3), 7)
    )
    if mode == "I":
        image.putpixel((0, 0), 70_000)
    found = load(save(image, tmp_path / "x"))
    assert (found.mode, found.size) == (image.mode, image.size)
    assert found.tobytes() == image.tobytes()


def test_a_picture_is_a_png_unless_its_name_says_something_else(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 3), "red")
    assert save(image, tmp_path / "x").name == "x.png"
    path = save(image, tmp_path / "x.JPG")
    assert path.name == "x.JPG"
    assert load(path).format == "JPEG"


def test_a_picture_that_a_form_does_not_take_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"RGBA.*\.jpg"):
        save(Image.new("RGBA", (4, 3)), tmp_path / "x.jpg")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"x\.png"):
        load(tmp_path / "x.png")


def test_a_figure_is_a_picture(figure: Any, tmp_path: Path) -> None:
    path = save(figure, tmp_path / "x")
    assert path.name == "x.png"
    assert load(path).size == (100, 50)


@pytest.mark.parametrize(("suffix", "begin"), [(".pdf", b"%PDF"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")])
def test_the_name_says_what_a_figure_becomes(suffix: str, begin: bytes, figure: Any, tmp_path: Path) -> None:
    path = save(figure, tmp_path / f"x{suffix}")
    assert path.name == f"x{suffix}"
    assert path.read_bytes().startswith(begin)


def test_pictures_are_kept_within_other_data(figure: Any, tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 3), "red")
    found = load(save({"figures": [figure, image], "n": np.ones(1)}, tmp_path / "x"))
    assert [picture.size for picture in found["figures"]] == [(100, 50), (4, 3)]


def test_a_figure_of_plotly_comes_back_as_one(tmp_path: Path) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed")
    figure = graph_objects.Figure(graph_objects.Scatter(y=[1, 2]))
    path = save(figure, tmp_path / "curve")
    assert path.name == "curve.plotly.json"
    assert load(path) == figure
    page = save(figure, tmp_path / "curve.html")
    assert "<html>" in page.read_text("utf-8")[:100]
