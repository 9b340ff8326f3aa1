"""A small language model that writes the ticket: what it is told, and the form in which it answers."""
