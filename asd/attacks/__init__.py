"""Attacks: what a hostile source may plant. Each plug-in is one file, which is the `Attack`.

Labels and masks are numpy arrays, images are torch tensors. A plug-in imports torch inside its
functions only, so that a step that stamps nothing starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from asd.progress import Reporter
from asd.truth import NOT_KNOWN
from asd.types import DataView, Images, Labels, Mask

if TYPE_CHECKING:
    import torch

__all__ = [
    "NOT_KNOWN",
    "Artifacts",
    "Attack",
    "DecoyAttack",
    "GivenAttack",
    "GivenRoles",
    "GivenTest",
    "Preparation",
    "PreparingAttack",
    "SelectiveAttack",
    "TwoTriggerAttack",
]

Artifacts = Mapping[str, "torch.Tensor"]


@runtime_checkable
class Attack(Protocol):
    """What a file `attacks/<name>.py` offers; the functions are those of the module."""

    @property
    def Params(self) -> type[Any]:  # noqa: N802 - the name of a class in the plug-in
        """The attack's params: at least `prepare`, `poison_fraction` (0 to 1), `count` and `of`."""
        ...

    @property
    def changes_labels(self) -> bool:
        """True: a poisoned training sample gets `relabel`'s label. False (clean-label): it keeps its own."""
        ...

    def stamp(
        self,
        images: torch.Tensor,
        keys: Sequence[str],
        artifacts: Artifacts,
        params: Any,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """A copy of the images with the trigger in; the input is left alone.

        Args:
            images: uint8, shape (B, C, H, W), C is 1 or 3, before any augmentation.
            keys: B keys, for attacks whose trigger depends on the sample.
            artifacts: what `prepare` made.
            params: the attack's params.
            rng: CPU generator; equal seeds give equal bytes. What is drawn for a sample hangs on its key
                (`asd.rng.generators_of`), never on the batch.

        Returns:
            uint8, same shape.

        Raises:
            ParamsError: the trigger does not fit images of this shape.
        """
        ...

    def relabel(self, labels: Labels, params: Any, class_count: int) -> Labels:
        """The label that the attacker wants for triggered images of these labels, shape as given."""
        ...

    def counts_for_asr(self, labels: Labels, params: Any) -> Mask:
        """Which test images of these labels measure attack success once triggered."""
        ...


@dataclass(frozen=True)
class Preparation:
    """What an attack may use while it prepares.

    Attributes:
        seed: from which every draw is derived (`asd.rng`).
        reporter: where it tells how far it is.
        scratch: a folder for checkpoints, the same when it is started again; removed at the end.
        files: below which relative paths in params are looked for (the workspace).
    """

    seed: int
    reporter: Reporter
    scratch: Path
    files: Path


@runtime_checkable
class PreparingAttack(Attack, Protocol):
    """An attack that trains or draws something first. Others leave `prepare` out."""

    def prepare(self, train: DataView, params: Any, preparation: Preparation) -> dict[str, torch.Tensor]:
        """Make the artifacts that `stamp` needs.

        Args:
            train: the training set before poisoning.
            params: the `prepare` part of the attack's params and nothing else, so that
                changing another param prepares nothing again.

        Returns:
            Named tensors; they are saved and given to `stamp`.

        Raises:
            ParamsError: params that do not fit these data.
        """
        ...


@runtime_checkable
class TwoTriggerAttack(Attack, Protocol):
    """An attack whose triggered test images are made otherwise than its training poison."""

    def stamp_test(
        self,
        images: torch.Tensor,
        keys: Sequence[str],
        artifacts: Artifacts,
        params: Any,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """As `stamp`, for test images."""
        ...


@runtime_checkable
class DecoyAttack(Attack, Protocol):
    """An attack that also changes samples and leaves their labels right, such as WaNet's noise mode.

    Its params have `decoy_fraction`, a share of the training set.
    """

    def stamp_decoy(
        self,
        images: torch.Tensor,
        keys: Sequence[str],
        artifacts: Artifacts,
        params: Any,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """As `stamp`, for decoys."""
        ...


@runtime_checkable
class SelectiveAttack(Attack, Protocol):
    """An attack that can stamp some pictures only, such as those of which a stamped copy was given."""

    def can_stamp(self, contents: Sequence[str], artifacts: Artifacts) -> Mask:
        """Which pictures of these content hashes (hex) it can stamp, training and test alike."""
        ...


@dataclass(frozen=True)
class GivenRoles:
    """What somebody says of R pictures of a training set; their order means nothing.

    Attributes:
        contents: R content hashes (hex).
        labels: labels as given, shape (R,).
        roles: R words: `clean`, `poisoned`, `decoy`, or `unknown` where nobody can tell.
        labels_before: labels before anything was poisoned, shape (R,); `NOT_KNOWN` where nobody says.
        places: R places, such as `row 17`, for messages.
        unreadable: places of pictures that cannot be read; not among the R.
    """

    contents: tuple[str, ...]
    labels: Labels
    roles: tuple[str, ...]
    labels_before: Labels
    places: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class GivenTest:
    """A triggered test set that was made elsewhere, T pictures.

    Attributes:
        images: uint8, shape (T, C, H, W).
        wanted: the label that the attacker wants for each, shape (T,).
        labels_before: labels of the clean pictures, shape (T,); `NOT_KNOWN` where nobody says.
        clean: content hash (hex) of the clean picture of each; "" where nobody says.
    """

    images: Images
    wanted: Labels
    labels_before: Labels
    clean: tuple[str, ...]


@runtime_checkable
class GivenAttack(Protocol):
    """An attack whose poison lies in the data set already. It plants nothing and says what is what.

    The poison step takes what it says in place of `stamp`; matching it with the data is
    `asd.given`.
    """

    @property
    def Params(self) -> type[Any]:  # noqa: N802 - the name of a class in the plug-in
        """Its params: at least `prepare` and `limited` (see `asd.given.match_roles`)."""
        ...

    def prepare(self, train: DataView, params: Any, preparation: Preparation) -> dict[str, torch.Tensor]:
        """As of `PreparingAttack`: what it read, as named tensors."""
        ...

    def roles(self, artifacts: Artifacts, params: Any) -> GivenRoles | None:
        """What is known of the training set; None: nothing."""
        ...

    def triggered(self, artifacts: Artifacts, params: Any) -> GivenTest | None:
        """The triggered test set; None: there is none."""
        ...
