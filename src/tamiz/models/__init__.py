"""Things that turn canonical text into a Prediction: linear baselines and encoders, read from artifacts on disk."""
