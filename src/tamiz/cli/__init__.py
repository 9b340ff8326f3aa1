"""Commands of at most 30 lines, each calling the pipeline, the registry or the laboratory."""
