"""The two forms of a network, as a param. Nothing here needs torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

Form = Literal["cifar", "imagenet"]


def form_field(default: Form) -> Any:
    """The param that says which form."""
    return Field(
        default,
        description="cifar: 3x3 stem, no max-pool, for pictures of about 32x32; "
        "imagenet: 7x7 stem of stride 2 and a max-pool, for pictures of about 224x224",
    )
