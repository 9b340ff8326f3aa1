"""What the service remembers: which tickets resemble which. All of it is derived from the store and can be lost."""
