"""The JSON interface over HTTP: accept tickets, look at them, correct them, and ask the model directly."""
