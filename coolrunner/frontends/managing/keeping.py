"""What a manager keeps: objects as files, metrics and other things that are logged, pictures of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, UsageError, nearest
from coolrunner.frontends.managing.base import ManagerBase

__all__ = ["Keeping"]


class _Named:
    """An object that is to be saved in a way that has a name."""

    def __init__(self, obj: Any) -> None:
        self.obj = obj


class Keeping(ManagerBase):
    """Saving, loading and logging, to the run that is under way or else to the experiment."""

    def __init__(self, *args: Any, load_dir: Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_dir = load_dir
        self._methods: dict[str, tuple[type[_Named], str]] = {}

    # --- objects ---

    def save(
        self,
        obj: Any,
        name: str,
        method: str | None = None,
        *,
        shared: bool = False,
        overwrite: bool = False,
        pickle: bool = False,
    ) -> Path:
        """Save an object as a file, in the form that suits its type.

        Parameters
        ----------
        obj
            Text, plain data, arrays, frames, tensors, models, figures, images; see `coolrunner.runs.savers`.
        name
            ``/`` makes directories; a suffix is added where there is none. A second object of one name gets
            a version.
        method
            The name of a saver of one's own, see `add_saver`; a `name` that ends like its files means it too.
        shared
            Save it for the whole experiment, also from within a run.
        overwrite
            Replace what has that name.
        pickle
            Allow pickle for a type that has no other form.

        Returns
        -------
        Where it is; in ghost mode where it would be.

        Raises
        ------
        BadNameError, TypeError, UsageError
            It is no name, nothing is known that saves such an object, or there is no such method.
        RunError
            The experiment is finished.
        RunWriteError
            The disk did not take it; nothing half written is left.
        """
        scope = self._scope(-1) if shared else self._here()
        named = self._named(name, method)
        path = scope.save(obj, name, named, overwrite=overwrite, pickle=pickle)
        self._messages.detail("saved %s", path)
        return path

    def _named(self, name: str, method: str | None) -> type[_Named] | None:
        if method is None:
            fitting = (kind for kind, suffix in self._methods.values() if name.endswith(suffix))
            return next(fitting, None)
        if method not in self._methods:
            close = nearest(method, self._methods)
            hint = (
                f"did you mean {close!r}?"
                if close
                else "add_saver adds one, a suffix of the name chooses a form"
            )
            raise UsageError(f"there is no saver {method!r}: {hint}")
        return self._methods[method][0]

    def add_saver(
        self,
        method: Callable[[Any, Path], object],
        name: str,
        extension: str,
        load: Callable[[Path], Any] | None = None,
        kind: type | str | None = None,
    ) -> None:
        """Add a way to save objects.

        Parameters
        ----------
        method
            Called with an object and the path to write to.
        name
            What `save` calls it.
        extension
            What its files end with; a name in `save` that ends so means this saver.
        load
            Called with the path; without it, `load` returns the path.
        kind
            A type, or its name (``"package.Class"``), whose objects are always saved so.

        Raises
        ------
        UserError
            The extension is none.
        """
        from coolrunner.runs.savers import add_saver

        wrapper = type(f"SavedBy_{name}", (_Named,), {})
        suffix = f".{extension.lstrip('.')}"
        add_saver(wrapper, lambda wrapped, path: method(wrapped.obj, path), load, suffix)
        if kind is not None:
            add_saver(kind, method, load, suffix)
        self._methods[name] = (wrapper, suffix)

    def load(self, name: str, *, pickle: bool = False) -> Any:
        """Return what was saved under a name, the newest version of it.

        It is looked for in the run that is under way, then in the experiment, then in the directory that
        `create_experiment` was given as `load_dir`.

        Parameters
        ----------
        name
            As given to `save`.
        pickle
            Whether to read what can run code, such as pickles.

        Raises
        ------
        RunError
            There is nothing of that name, it is broken, or it needs `pickle`.
        """
        from coolrunner.runs.artifacts import load_artifact

        here = self._here()
        if here is self._experiment and self._load_dir is None:
            return here.load(name, pickle=pickle)
        scope = next((scope for scope in (here, self._experiment) if scope.has(name)), None)
        if scope is None and self._load_dir is not None:
            return load_artifact(self._load_dir, name, pickle=pickle)
        return (scope or here).load(name, pickle=pickle)

    def load_dir(self, directory: str | Path | None = None, *, pickle: bool = False) -> dict[str, Any]:
        """Return all that was saved in a directory, by name.

        Parameters
        ----------
        directory
            Of an experiment, of a run or of files, also of an earlier one; relative to the working directory.
            By default what is saved here by now.
        pickle
            As for `load`.

        Raises
        ------
        RunError
            There is no such directory, or a file is broken or needs `pickle`.
        """
        from coolrunner.runs.artifacts import load_dir
        from coolrunner.runs.layout import MANAGED

        if directory is None:
            return self._here().load_all(pickle=pickle)
        path = Path(directory)
        if not path.is_dir():
            raise RunError(f"there is no directory {path}")
        inner = path / MANAGED.files
        return load_dir(inner if inner.is_dir() else path, pickle=pickle)

    def get_load_path(self, *parts: str) -> Path:
        """Return the path of a file in the directory that `create_experiment` was given as `load_dir`.

        Raises
        ------
        UsageError
            None was given.
        """
        if self._load_dir is None:
            raise UsageError("say from where: create_experiment(..., load_dir='...')")
        return self._load_dir.joinpath(*parts)

    # --- metrics ---

    def log_scalar(self, name: str, value: Any, step: int | None = None, run_id: int | None = None) -> None:
        """Add a value to a metric, or several values to metrics on one axis.

        Parameters
        ----------
        name
            Of the metric; ``/`` makes groups.
        value
            A number, or a mapping of labels to numbers, see `log_scalars`.
        step
            The one after the last of this metric where it is not given; the first is 0.
        run_id
            Another run than the one under way, by its number; -1 is the experiment.

        Raises
        ------
        BadNameError, TypeError
            It is no name, or no number.
        RunError
            The experiment is finished, or there is no such run.
        RunWriteError
            Earlier values could not be written; said once, and tried again later on.
        """
        if isinstance(value, Mapping):
            self.log_scalars(name, value, step=step, run_id=run_id)
        else:
            self._scope(run_id).keeper.log_scalar(name, value, step)

    def log_scalars(
        self,
        name: str,
        values: Mapping[str, Any] | Sequence[Any],
        header: Sequence[str] | None = None,
        step: int | None = None,
        run_id: int | None = None,
    ) -> None:
        """Add values to several metrics ``name/...`` at one step, which are shown on one axis.

        Parameters
        ----------
        name
            Of all of them.
        values
            Numbers by label, or in the order of `header`.
        header
            The labels; by default ``0``, ``1``, ...
        step
            The one after the last of any of them where it is not given; the first is 0.
        run_id
            As for `log_scalar`.

        Raises
        ------
        UsageError
            There are not as many values as labels.
        BadNameError, TypeError, RunError, RunWriteError
            As for `log_scalar`.
        """
        if not isinstance(values, Mapping):
            labels = [str(index) for index in range(len(values))] if header is None else list(header)
            if len(labels) != len(values):
                raise UsageError(f"log_scalars({name!r}): {len(values)} values and {len(labels)} labels")
            values = dict(zip(labels, values, strict=True))
        self._scope(run_id).log_scalars(name, values, step)

    def log_scalar_batch(self, name: str, values: Any, step: int | None = None) -> None:
        """Log mean, deviation, extremes and number of many numbers; see `coolrunner.runs.logger.Logger`."""
        self._here().keeper.logger.log_scalar_batch(name, values, step)

    # --- other things, each as the logger of a run logs it ---

    def log_text(self, name: str, text: str, step: int | None = None) -> None:
        """Log a text."""
        self._here().keeper.logger.log_text(text, step, name=name)

    def log_histogram(self, name: str, values: Any, step: int | None = None, bins: Any = 64) -> None:
        """Log how numbers are distributed."""
        self._here().keeper.logger.log_histogram(name, values, step, bins=bins)

    def log_image(self, name: str, image: Any, step: int | None = None) -> None:
        """Log a picture: an array, a PIL image or a matplotlib figure."""
        self._here().keeper.logger.log_image(name, image, step)

    def log_gif(self, name: str, frames: Any, step: int | None = None, *, duration: float = 0.1) -> None:
        """Log pictures that move; each is shown for `duration` seconds."""
        self._here().keeper.logger.log_gif(name, frames, step, duration=duration)

    def log_embedding(
        self, name: str, vectors: Any, step: int | None = None, *, labels: Any = None, images: Any = None
    ) -> None:
        """Log points in many dimensions, of shape (points, dimensions)."""
        self._here().keeper.logger.log_embedding(name, vectors, step, labels=labels, images=images)

    def log_table(
        self, name: str, table: Any, step: int | None = None, *, columns: Sequence[object] | None = None
    ) -> None:
        """Log a table: a frame, a mapping of columns, or a list of rows."""
        self._here().keeper.logger.log_table(name, table, step, columns=columns)

    # --- pictures of metrics ---

    def plot_metrics(
        self, names: str | Iterable[str] | None = None, run_id: int | None = None, suffix: str = ".png"
    ) -> list[Path]:
        """Draw the metrics that were logged, those of `log_scalars` in one picture.

        Parameters
        ----------
        names
            Of metrics, or of their groups (``loss`` for ``loss/train`` and ``loss/test``); by default all.
        run_id
            As for `log_scalar`.
        suffix
            The form of the pictures: ``.png``, ``.pdf``, ``.svg``.

        Returns
        -------
        The pictures, in ``saved_metrics``; an older one of the same name is replaced.

        Raises
        ------
        RunError
            matplotlib is not installed, or nothing was logged under a name.
        RunWriteError
            The disk did not take it.
        """
        from coolrunner.frontends.managing.curves import draw

        scope = self._scope(run_id)
        scope.keeper.metrics.flush()
        chosen = None if names is None else [names] if isinstance(names, str) else list(names)
        if scope.ghost:
            return []
        paths = draw(scope.directory.metrics, scope.saved_metrics, chosen, suffix, title=scope.name)
        self._messages.detail("drew %s", ", ".join(map(str, paths)) or "nothing: there are no metrics")
        return paths
