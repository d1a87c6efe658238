"""Changing `params.yaml` by program: comments stay, and nothing unchecked is ever written."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from asd.errors import ParamsError, nearest
from asd.layout import Layout
from asd.params import Workspace, WorkspaceParams, check, parse_workspace
from asd.registry import Registry
from asd.seeds.class_map import check_class_map
from asd.store import atomic_file

SUBSECTIONS = {
    "datasets": (),
    "attacks": ("prepare",),
    "defenses": ("common", "stage1", "stage2", "stage3"),
}
"""What a variant's section must have, since stages of `dvc.yaml` depend on the parts by name."""

_VARIANTS = tuple(SUBSECTIONS)
_SHARED = ("random_seed", "poison_seed", "seeds", "training", "model")


def complete_params(root: Path) -> list[str]:
    """Add what `dvc.yaml` names and `params.yaml` leaves out: a listed variant's section and its parts.

    Returns:
        The dotted keys that were added.

    Raises:
        ParamsError: not YAML, or a listed name is neither a section nor a plug-in.
    """
    layout = Layout(root)
    added: list[str] = []

    def change(document: CommentedMap) -> None:
        added.extend(_complete(document, layout))

    before = _read(layout.params)
    after = _edited(layout.params, before, change)
    if added:
        _write(layout, after)
    return added


def set_params(
    root: Path, assignments: Sequence[str], also: Callable[[Workspace], None] | None = None
) -> str:
    """Set `section.key=value` pairs (the value is YAML) and return the difference as text.

    All of them are checked before the file is written, at last by `also`; with an empty answer
    nothing changed. Another network (`model.use`) begins with its own params.

    Raises:
        ParamsError: no `=`, an unknown key (with the nearest), or a value out of its bounds.
    """
    layout = Layout(root)
    pairs = [_assignment(text) for text in assignments]

    def change(document: CommentedMap) -> None:
        _leave_network(document, pairs)
        for path, value in pairs:
            _assign(document, path, value)
        _complete(document, layout)

    before = _read(layout.params)
    after = _edited(layout.params, before, change)
    workspace = parse_workspace(layout, after)
    for path, _ in pairs:
        _check_touched(workspace, path)
    if also is not None:
        also(workspace)
    if after != before:
        _write(layout, after)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "params.yaml", "params.yaml", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def check_variants(workspace: Workspace) -> None:
    """Check the params of the network and of every variant that the cells list; imports them.

    Raises:
        ParamsError: the first thing wrong.
    """
    for kind in _VARIANTS:
        for name in getattr(workspace.params.cells, kind):
            workspace.variant(kind, name)
    workspace.model_variant()


def check_engines(workspace: Workspace) -> None:
    """Check the params of every semi-supervised engine that the cells use; imports them, and torch.

    Raises:
        ParamsError: no such engine, params that it does not take, or no such class map.
    """
    params = workspace.params
    wanted: dict[str, Any] = {}
    for name in params.cells.defenses:
        common = getattr(workspace.variant("defenses", name).params, "common", None)
        if hasattr(common, "engine"):
            wanted[f"defenses.{name}.common"] = common
    for name in params.cells.attacks:
        choice = params.seeds.of(name)
        if choice.use == "transfer":
            own = f"seeds.for_attack.{name}" if name in params.seeds.for_attack else "seeds"
            wanted[f"{own}.transfer"] = choice.transfer
            check_class_map(choice.transfer.class_map, workspace.layout.seeds_by_people)
    for where, section in wanted.items():
        engine = workspace.registry("semisup").get(section.engine)
        check(engine.Params, section.engine_params, f"{where}.engine_params")


def _complete(document: CommentedMap, layout: Layout) -> list[str]:
    added = [name for name in _SHARED if name not in document]
    for name in added:
        document[name] = _default_of(name)
    for kind in _VARIANTS:
        for name in _listed(document, kind):
            added.extend(_complete_variant(document, kind, name, layout))
    return added


def _complete_variant(document: CommentedMap, kind: str, name: str, layout: Layout) -> list[str]:
    if document.get(kind) is None:
        document[kind] = CommentedMap()
    sections = document[kind]
    if not isinstance(sections, CommentedMap):
        raise ParamsError(f"params.yaml: {kind} must hold variants, got {sections!r}")
    added = []
    if name not in sections:
        plugins = Registry(kind, layout.plugins).names()
        if name not in plugins:
            known = [*sections, *plugins]
            raise ParamsError(
                f"cells.{kind} lists {name!r}, which is neither a section of {kind} nor a plug-in"
                f"{nearest(name, known)}"
            )
        sections[name] = CommentedMap()
        added.append(f"{kind}.{name}")
    if sections[name] is None:
        sections[name] = CommentedMap()
    section = sections[name]
    if not isinstance(section, CommentedMap):
        raise ParamsError(f"params.yaml: {kind}.{name} must be a section, got {section!r}")
    for part in SUBSECTIONS[kind]:
        if section.get(part) is None:
            section[part] = _flow_map()
            added.append(f"{kind}.{name}.{part}")
    if "use" not in section:
        section.insert(0, "use", name)
        added.append(f"{kind}.{name}.use")
    return added


def _listed(document: CommentedMap, kind: str) -> list[str]:
    cells = document.get("cells")
    names = cells.get(kind) if isinstance(cells, CommentedMap) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _default_of(name: str) -> Any:
    default = WorkspaceParams.model_fields[name].default
    return default if isinstance(default, int) else _flow_map()


def _flow_map() -> CommentedMap:
    empty = CommentedMap()
    empty.fa.set_flow_style()
    return empty


# -- assignments -----------------------------------------------------------------------------


def _assignment(text: str) -> tuple[list[str], Any]:
    key, separator, value = text.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise ParamsError(f"-S {text}: write it as key=value, such as defenses.asd.stage3.gamma=0.6")
    try:
        parsed = _yaml().load(value)
    except YAMLError as error:
        raise ParamsError(f"-S {text}: the value is not valid YAML") from error
    if isinstance(parsed, (CommentedMap, CommentedSeq)):
        parsed.fa.set_flow_style()
    return path, parsed


def _assign(document: CommentedMap, path: list[str], value: Any) -> None:
    dotted = ".".join(path)
    if path[0] not in WorkspaceParams.model_fields:
        known = list(WorkspaceParams.model_fields)
        raise ParamsError(f"unknown key {dotted}{nearest(path[0], known)} (known: {', '.join(known)})")
    if path[0] in _VARIANTS:
        _check_variant_exists(document, path)
    node = document
    for number, word in enumerate(path[:-1], start=1):
        child = node.get(word)
        if child is None:
            child = node[word] = CommentedMap()
        if not isinstance(child, CommentedMap):
            raise ParamsError(f"unknown key {dotted}: {word} is a value, not a section")
        if _first_place(document, child) != path[:number]:
            child = node[word] = _own(child)  # else all who share it by an anchor would change
        node = child
    node[path[-1]] = value


def _first_place(document: CommentedMap, section: CommentedMap) -> list[str] | None:
    """Where a section stands; of one that others repeat by `*` or `<<`, where it is written out."""
    for key, value in document.items():
        if value is section:
            return [str(key)]
        found = _first_place(value, section) if isinstance(value, CommentedMap) else None
        if found is not None:
            return [str(key), *found]
    return None


def _own(value: Any) -> Any:
    """A copy on one line that shares nothing."""
    if isinstance(value, CommentedMap):
        made: Any = CommentedMap({key: _own(inner) for key, inner in value.items()})
    elif isinstance(value, CommentedSeq):
        made = CommentedSeq([_own(inner) for inner in value])
    else:
        return value
    made.fa.set_flow_style()
    return made


def _leave_network(document: CommentedMap, pairs: Sequence[tuple[list[str], Any]]) -> None:
    """Take out the params of the network that `model.use` replaces; weights are named for any."""
    model, chosen = document.get("model"), [value for path, value in pairs if path == ["model", "use"]]
    if isinstance(model, CommentedMap) and chosen and chosen[-1] != model.get("use"):
        for key in [key for key in model if key != "use" and not str(key).startswith("weights")]:
            del model[key]


def _check_variant_exists(document: CommentedMap, path: list[str]) -> None:
    """A misspelt variant must not become a new one; only `use` makes a new variant."""
    kind, rest = path[0], path[1:]
    sections = document.get(kind) or {}
    if len(rest) >= 2 and rest[0] not in sections and rest[1:] != ["use"]:
        raise ParamsError(
            f"unknown key {'.'.join(path)}: there is no {kind}.{rest[0]}{nearest(rest[0], sections)} "
            f"(there are: {', '.join(sections)}; a new variant begins with {kind}.{rest[0]}.use=PLUGIN)"
        )


def _check_touched(workspace: Workspace, path: list[str]) -> None:
    """Check the plug-in's part of the change too; only that plug-in is imported for it."""
    if path[0] == "model":
        workspace.model_variant()
    elif path[0] in _VARIANTS:
        names: Iterable[str] = path[1:2] or getattr(workspace.params, path[0])
        for name in names:
            workspace.variant(path[0], name)
    elif path[0] == "cells":
        for kind in _VARIANTS:
            for name in getattr(workspace.params.cells, kind):
                workspace.plugin_name(kind, name)


# -- the file --------------------------------------------------------------------------------


def _yaml() -> YAML:
    handler = YAML()
    handler.preserve_quotes = True
    handler.width = 1 << 30  # break no line that somebody wrote
    return handler


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise ParamsError(f"no params.yaml in {path.parent}; make a workspace with `asd init`") from error


def _edited(path: Path, text: str, change: Callable[[CommentedMap], None]) -> str:
    """`text` with `change` made to it, comments kept."""
    try:
        document = _yaml().load(text)
    except YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}".replace("\n", " ")) from error
    if not isinstance(document, CommentedMap):
        raise ParamsError(f"{path} must hold sections, such as `cells:`")
    change(document)
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _write(layout: Layout, text: str) -> None:
    check(WorkspaceParams, yaml.safe_load(text), "params.yaml")
    with atomic_file(layout.params) as temporary:
        temporary.write_text(text)
