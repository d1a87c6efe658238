"""Drops made by somebody who means harm: what `docs/security.md` says becomes of each is tested."""
