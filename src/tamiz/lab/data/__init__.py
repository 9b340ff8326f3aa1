"""Data in: readers, public loaders, splits, and the honest-data gate."""
