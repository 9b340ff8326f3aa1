"""Offline work: data, training, evaluation, reports. Nothing on the serving path imports this."""
