"""Pictures that are logged: from arrays, PIL images and figures to PNG, and many of them to GIF."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from coolrunner.runs.records import Record, as_array, need

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Animation", "Picture", "frames_of", "image_of"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_SHAPES = "(height, width), (height, width, channels) or (channels, height, width), with 1, 3 or 4 channels"


@dataclass(frozen=True)
class Picture(Record):
    """A picture; `data` is PNG."""

    data: bytes
    width: int
    height: int
    channels: int

    @classmethod
    def of(cls, name: str, step: int, time: float, image: Any) -> Picture:
        """Make a picture of what `image_of` takes."""
        made = image_of(name, image)
        buffer = BytesIO()
        made.save(buffer, "PNG")
        return cls(name, step, time, buffer.getvalue(), *made.size, len(made.getbands()))


@dataclass(frozen=True)
class Animation(Record):
    """Pictures that move; `data` is GIF."""

    data: bytes
    width: int
    height: int

    @classmethod
    def of(cls, name: str, step: int, time: float, frames: Any, duration: float) -> Animation:
        """Make an animation of what `frames_of` takes, each frame shown for `duration` seconds."""
        made = frames_of(name, frames)
        buffer = BytesIO()
        milliseconds = max(round(duration * 1000), 10)  # shorter ones are shown slowly by most viewers
        made[0].save(
            buffer, "GIF", save_all=True, append_images=made[1:], duration=milliseconds, loop=0, disposal=2
        )
        return cls(name, step, time, buffer.getvalue(), *made[0].size)


def image_of(name: str, image: Any) -> Image:
    """Return a picture as an image of PIL, in mode L, RGB or RGBA.

    Parameters
    ----------
    name
        What it is logged as, for the error.
    image
        A PIL image, a matplotlib figure, or an array or tensor of shape (height, width), (height, width,
        channels) or (channels, height, width) with 1, 3 or 4 channels: whole numbers from 0 to 255, bools,
        or floats from 0 to 1. What is beyond is cut off, and NaN is 0.

    Raises
    ------
    TypeError, ValueError
        It is something else, or has another shape.
    """
    pil = need("PIL.Image", "pillow")
    if isinstance(image, pil.Image):
        if image.mode in _MODES.values():
            return image  # type: ignore[no-any-return]
        has_alpha = image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info
        return image.convert("RGBA" if has_alpha else "L" if image.mode == "1" else "RGB")  # type: ignore[no-any-return]
    if "matplotlib" in sys.modules and hasattr(image, "savefig"):
        buffer = BytesIO()
        image.savefig(buffer, format="png")
        return pil.open(buffer)  # type: ignore[no-any-return]
    array = as_array(image)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"the image {name!r} takes an array, a PIL image or a figure, not {type(image).__name__}"
        )
    return pil.fromarray(_bytes(_channels_last(name, array)))  # type: ignore[no-any-return]


def frames_of(name: str, frames: Any) -> list[Image]:
    """Return the frames of a video as images of PIL, all of one size and mode.

    Parameters
    ----------
    name
        What it is logged as, for the error.
    frames
        A list of what `image_of` takes, or an array of shape (frames, height, width), (frames, height, width,
        channels) or (frames, channels, height, width); as in TensorBoard there may be a 1 in front.

    Raises
    ------
    TypeError, ValueError
        There are none, they are of several sizes, or are something else.
    """
    if hasattr(frames, "shape"):
        frames = as_array(frames)
        if frames.ndim == 5 and frames.shape[0] == 1:
            frames = frames[0]
        if frames.ndim not in (3, 4):
            raise ValueError(f"the frames of {name!r} are an array of 3 or 4 dimensions, not {frames.shape}")
    images = [image_of(name, frame) for frame in frames]
    if not images:
        raise ValueError(f"{name!r} has no frames")
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        raise ValueError(f"the frames of {name!r} are of several sizes: {sorted(sizes)}")
    modes = {image.mode for image in images}
    if len(modes) > 1:
        mode = "RGBA" if "RGBA" in modes else "RGB"
        images = [image.convert(mode) for image in images]
    return images


def _channels_last(name: str, array: Any) -> Any:
    if array.ndim == 2 and array.size:
        return array
    if array.ndim == 3 and array.size:
        if array.shape[2] not in _MODES and array.shape[0] in _MODES:
            array = array.transpose(1, 2, 0)
        if array.shape[2] in _MODES:
            return array[:, :, 0] if array.shape[2] == 1 else array
    more = "; log_gif takes several" if array.ndim == 4 else ""
    raise ValueError(f"the image {name!r} has the shape {array.shape}, not {_SHAPES}{more}")


def _bytes(array: Any) -> Any:
    np = need("numpy")
    if array.dtype.kind == "f":
        array = np.rint(np.clip(np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * 255)
    elif array.dtype.kind == "b":
        array = array * 255
    return np.ascontiguousarray(np.clip(array, 0, 255).astype("uint8"))
