"""The starter model that ships, as package data (`model/`)."""
