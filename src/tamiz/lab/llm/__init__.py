"""Fine-tuning, exporting and judging small language models: torch, transformers, peft and trl live here."""
