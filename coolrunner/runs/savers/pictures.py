"""Savers for pictures and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coolrunner.runs.savers.base import Saver, library

__all__ = ["FigureSaver", "PictureSaver", "PlotSaver"]

# What PNG keeps as it is; the others go to TIFF, which keeps them.
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class PictureSaver(Saver):
    """PIL's images: PNG, or TIFF where PNG would lose something; others where the name says so.

    Parameters
    ----------
    mode
        Of the image, as PIL calls it.
    """

    suffixes: tuple[str, ...] = (".png", ".tiff", ".tif", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ppm")

    def __init__(self, mode: str = "RGB") -> None:
        if mode not in _PNG_MODES:
            self.suffixes = (".tiff", *(suffix for suffix in self.suffixes if suffix != ".tiff"))

    def save(self, obj: Any, path: Path) -> None:
        """Write an image."""
        try:
            obj.save(path)
        except OSError as error:
            if error.errno is not None:
                raise
            raise TypeError(
                f"an image of mode {obj.mode} cannot be saved as {path.suffix}: {error}"
            ) from error

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read an image."""
        with library("PIL.Image", path, "pillow").open(path) as image:
            image.load()
            return image


class FigureSaver(PictureSaver):
    """Matplotlib's figures, as pictures: PNG, or PDF, SVG and others where the name says so."""

    suffixes = (".png", ".pdf", ".svg", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")

    def __init__(self) -> None:
        super().__init__()

    def save(self, obj: Any, path: Path) -> None:
        """Draw a figure."""
        obj.savefig(path, format=path.suffix[1:].lower())


class PlotSaver(Saver):
    """Plotly's figures: JSON, which is small and comes back as a figure, or a web page, ``.html``.

    The page holds all that it needs, plotly's 4 MB of JavaScript too, so it opens anywhere.
    """

    suffixes = (".plotly.json", ".html")

    def save(self, obj: Any, path: Path) -> None:
        """Write a figure."""
        text = obj.to_html() if path.suffix.lower() == ".html" else obj.to_json()
        path.write_bytes(text.encode())

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read a figure."""
        return library("plotly.io", path, "plotly").from_json(path.read_text("utf-8"))
