"""Learn from what people corrected: a candidate, its judgement beside the active model, and a proposal."""
