"""`python -m tamiz` is the command `tamiz`."""

from tamiz.cli.main import run

run()
