"""A model leaves the house: export, card, gates, the current model, and loading without the pipeline.

`load`, `predict`, `network` and `format` are what a service needs: torch, numpy, safetensors,
pillow and pydantic, nothing else.
"""
