"""How the clean pool is chosen. Public: `split_class_aware`, `split_class_agnostic`, `split_meta`."""

from asd.pools.loss_guided import split_class_agnostic, split_class_aware
from asd.pools.meta_split import loss_reduction, split_meta

__all__ = ["loss_reduction", "split_class_agnostic", "split_class_aware", "split_meta"]
