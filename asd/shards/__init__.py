"""Image sets on disk: WebDataset tars of PNGs beside a manifest, written and read strictly."""
