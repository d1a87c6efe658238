"""`params.yaml` as frozen, checked values. Unknown keys are errors; nothing here needs torch.

The file has the lists of `cells`, sections that every step shares (`random_seed`,
`poison_seed`, `seeds`, `training`, `model`) and one section of named variants per plug-in
kind. A variant is a plug-in (`use`, by default the variant's own name) with its params.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from asd.errors import ParamsError, nearest
from asd.gate_params import GateParams
from asd.intake_params import IntakeParams
from asd.layout import Cell, Layout
from asd.registry import Registry
from asd.reproduce_params import ReproduceParams
from asd.seed_params import SeedParams
from asd.service_params import ServiceParams

Name = str
NAME_PATTERN = r"^[a-z0-9][a-z0-9_]*$"


class Params(BaseModel):
    """Base of every parameter model: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CellParams(Params):
    """Which cells to run: the product of four lists of variant names."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    attacks: tuple[Name, ...] = Field(min_length=1)
    defenses: tuple[Name, ...] = Field(min_length=1)
    trials: tuple[int, ...] = Field((0,), min_length=1)

    @field_validator("datasets", "attacks", "defenses", "trials")
    @classmethod
    def _each_once(cls, names: tuple[Name | int, ...]) -> tuple[Name | int, ...]:
        """A name that comes twice would make two stages of one name."""
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"{name} twice; list it once")
        return names


class AugmentParams(Params):
    """Random changes of a training image; the trigger is in the image before them."""

    pad: int = Field(4, ge=0, description="pixels of padding for a random crop")
    pad_mode: Literal["reflect", "zero"] = "reflect"
    flip: bool = Field(True, description="mirror half of the images left to right")
    resized_crop: float | None = Field(
        None,
        gt=0,
        le=1,
        description="in place of the padded crop: a part of the image, of at least this share of its area, "
        "stretched to the whole size (0.2 on ImageNet); null: the padded crop",
    )


class TrainingParams(Params):
    """What every defense shares when it trains and scores."""

    precision: Literal["float32", "bf16"] = "float32"
    augment: AugmentParams = AugmentParams()
    score_augmented: bool = Field(True, description="score the training view, as the public code does (Q2)")
    scoring_batch: int = Field(512, ge=1)
    probe_every: int = Field(1, ge=1, description="epochs between two rows of the ACC and ASR curves")
    mean: tuple[float, ...] | None = Field(None, description="per channel, 0 to 1; null: of the data")
    std: tuple[float, ...] | None = Field(None, description="per channel, 0 to 1; null: of the data")
    deterministic: bool = Field(False, description="equal bytes on CUDA too, slower")
    threads: int | None = Field(
        None, ge=1, description="CPU threads; null: all cores. Small networks are faster with 1"
    )


class ModelParams(BaseModel):
    """Which network; the other keys are the plug-in's own params."""

    model_config = ConfigDict(frozen=True, extra="allow")
    use: Name = "resnet18"
    weights: str | None = Field(
        None, description="a .safetensors file to start from; relative to the workspace"
    )
    weights_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="its SHA-256")


class WorkspaceParams(Params):
    """The whole of `params.yaml`, plug-in sections still as plain mappings."""

    cells: CellParams
    random_seed: int = Field(100, ge=0)
    poison_seed: int = Field(0, ge=0)
    seeds: SeedParams = SeedParams()
    training: TrainingParams = TrainingParams()
    model: ModelParams = ModelParams()
    gates: GateParams = GateParams()
    intake: IntakeParams = IntakeParams()
    service: ServiceParams = ServiceParams()
    reproduce: ReproduceParams | None = None
    datasets: dict[Name, dict[str, Any]]
    attacks: dict[Name, dict[str, Any]]
    defenses: dict[Name, dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """A named setting of a plug-in: its module and its checked params."""

    name: str
    plugin: str
    module: ModuleType
    params: Any


@dataclass(frozen=True)
class Workspace:
    """A workspace folder with its checked params and its plug-ins."""

    layout: Layout
    params: WorkspaceParams

    def registry(self, kind: str) -> Registry:
        """The plug-ins of one kind, the workspace's own included."""
        return Registry(kind, self.layout.plugins)

    def plugin_name(self, kind: str, name: str) -> str:
        """The plug-in that variant `name` uses.

        Raises:
            ParamsError: `params.yaml` has no such variant.
        """
        section: dict[str, dict[str, Any]] = getattr(self.params, kind)
        if name not in section:
            raise ParamsError(
                f"params.yaml has no {kind}.{name}{nearest(name, section)} (there are: {', '.join(section)})"
            )
        return str(section[name].get("use", name))

    def variant(self, kind: str, name: str) -> Variant:
        """Variant `name` of kind `datasets`, `attacks` or `defenses`; imports its plug-in.

        Raises:
            ParamsError: unknown variant, plug-in or key, or a value out of its bounds.
        """
        plugin = self.plugin_name(kind, name)
        module = self.registry(kind).get(plugin)
        section = {k: v for k, v in getattr(self.params, kind)[name].items() if k != "use"}
        return Variant(name, plugin, module, check(module.Params, section, f"{kind}.{name}"))

    def drop_datasets(self) -> tuple[str, ...]:
        """Variants of data sets that are made from data drops, those in use first."""
        names = dict.fromkeys((*self.params.cells.datasets, *self.params.datasets))
        return tuple(name for name in names if self.plugin_name("datasets", name) == "drops")

    def model_variant(self) -> Variant:
        """The network that the top section `model` names."""
        plugin = self.params.model.use
        module = self.registry("models").get(plugin)
        section = dict(self.params.model.__pydantic_extra__ or {})
        return Variant(plugin, plugin, module, check(module.Params, section, "model"))

    def cells(self) -> list[Cell]:
        """Every cell that `params.yaml` lists, in its order."""
        c = self.params.cells
        return [
            Cell(dataset, attack, defense, trial)
            for dataset in c.datasets
            for attack in c.attacks
            for defense in c.defenses
            for trial in c.trials
        ]


def load_workspace(root: Path) -> Workspace:
    """Read and check `params.yaml` of the workspace at `root`.

    Raises:
        ParamsError: no workspace there, not YAML, an unknown key or a bad value.
    """
    layout = Layout(root.resolve())
    try:
        text = layout.params.read_text()
    except FileNotFoundError as error:
        raise ParamsError(
            f"no params.yaml in {layout.root}; make a workspace with `asd init DIR --preset digits`"
        ) from error
    return parse_workspace(layout, text)


def parse_workspace(layout: Layout, text: str) -> Workspace:
    """Check `text` as the params of a workspace.

    Raises:
        ParamsError: not YAML, an unknown key or a bad value.
    """
    import yaml  # here, because plug-ins of networks import this module where nothing else is installed

    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{layout.params} is not valid YAML: {error}".replace("\n", " ")) from error
    params = check(WorkspaceParams, raw, "params.yaml")
    for kind in ("datasets", "attacks", "defenses"):
        section = getattr(params, kind)
        for name in getattr(params.cells, kind):
            if name not in section:
                raise ParamsError(
                    f"cells.{kind} lists {name!r} but there is no section {kind}.{name}"
                    f"{nearest(name, section)}; add `{name}: {{}}` below `{kind}:`"
                )
    for name in params.seeds.for_attack:
        if name not in params.attacks:
            raise ParamsError(
                f"seeds.for_attack names {name!r}, but there is no section attacks.{name}"
                f"{nearest(name, params.attacks)}"
            )
    return Workspace(layout, params)


def check(model: type[Any], raw: Any, where: str) -> Any:
    """Validate `raw` against a params model.

    Raises:
        ParamsError: one line for the first thing wrong, with the nearest known key.
    """
    try:
        return model.model_validate({} if raw is None else raw)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join([where, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            known = _known_keys(model, first["loc"][:-1])
            word = str(first["loc"][-1])
            raise ParamsError(
                f"unknown key {path}{nearest(word, known)} (known: {', '.join(known)})"
            ) from error
        message = first["msg"].removeprefix("Value error, ")
        got = first.get("input")
        shown = "" if isinstance(got, Mapping) else f", got {got!r}"
        raise ParamsError(f"{path}: {message}{shown}") from error


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Field names of the (nested) model that `location` points into."""
    for part in location:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
        else:
            break
    return list(model.model_fields)
