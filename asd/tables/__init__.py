"""Figures of cells side by side."""
