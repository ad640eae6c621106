"""Plain data to YAML text that reads back equal, in plain PyYAML and in ours.

Mappings are written in block style, lists of scalars on one line. What the few rules here do not
cover (line breaks, other alphabets, nested lists) goes to libyaml's emitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from coolrunner.yamlio.scalars import block_text, scalar_text

__all__ = ["dump", "flow_text"]


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that stands in two places twice: anchors surprise who reads a log."""
        return True


def _represent_str(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # Tracebacks and other texts of several lines stay readable; libyaml falls back to quotes where
    # a block cannot hold the text.
    text = scalar_text(value)
    if text is not None:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="" if text == value else "'")
    block = "\n" in value.rstrip("\n") and not value.endswith("\n\n")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if block else '"')


def _represent_float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", scalar_text(value) or "")


def _represent_int(dumper: _Dumper, value: int) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:int", scalar_text(value) or "")


_Dumper.add_representer(str, _represent_str)
_Dumper.add_representer(int, _represent_int)
_Dumper.add_representer(float, _represent_float)


def dump(mapping: Mapping[Any, Any]) -> str:
    """Return a mapping of plain data as block YAML, its keys in their order, a line break at the end.

    Parameters
    ----------
    mapping
        None, booleans, integers, floats, strings, bytes, dates and date-times, and lists and
        string- or number-keyed mappings of these (exactly these types, or subclasses of list and dict).
    """
    if not mapping:
        return "{}\n"
    lines: list[str] = []
    _mapping_lines(mapping, "", lines)
    return "\n".join(lines) + "\n"


def flow_text(value: Any) -> str:
    """Return any plain data as YAML on one line, to be shown."""
    text = scalar_text(value)
    if text is not None:
        return text
    shown = yaml.dump(
        [_builtin(value)],  # in a list no text is written as a block of lines
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        width=2**30,
    )
    return shown.strip()[1:-1]


def _mapping_lines(mapping: Mapping[Any, Any], indent: str, lines: list[str]) -> None:
    for key, value in mapping.items():
        name = scalar_text(key)
        text = block_text(value)
        if text is not None and name is not None and len(name) < 120:
            lines.append(f"{indent}{name}: {text}")
        elif name is None or len(name) >= 120:  # libyaml reads a simple key of up to 128 bytes
            _emit(key, value, indent, lines)
        elif isinstance(value, dict) and value:
            lines.append(f"{indent}{name}:")
            _mapping_lines(value, indent + "  ", lines)
        elif isinstance(value, list) and (items := _flow_items(value)) is not None:
            lines.append(f"{indent}{name}: [{', '.join(items)}]")
        else:
            _emit(key, value, indent, lines)


def _flow_items(values: list[Any]) -> list[str] | None:
    items = []
    for value in values:
        text = scalar_text(value)
        if text is None and isinstance(value, list):
            nested = _flow_items(value)
            text = None if nested is None else f"[{', '.join(nested)}]"
        if text is None:
            return None
        items.append(text)
    return items


def _emit(key: Any, value: Any, indent: str, lines: list[str]) -> None:
    text = yaml.dump(
        {key: _builtin(value)},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=2**30,
    )
    for line in text.removesuffix("\n").split("\n"):
        lines.append(indent + line if line else line)


def _builtin(value: Any) -> Any:
    """Return `value` with subclasses of dict and list as the types that the emitter knows."""
    if isinstance(value, dict):
        return {key: _builtin(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_builtin(item) for item in value]
    return value
