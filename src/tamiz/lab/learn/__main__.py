"""The process in which `tamiz learn` trains: a job on standard input, progress on standard error."""

from __future__ import annotations

import os
import sys

from tamiz.domain.errors import TamizError
from tamiz.lab.learn.job import Job
from tamiz.lab.learn.run import run

NICE = 10
"""Triage goes before learning."""


def main() -> int:
    """Do the job; the exit code of the error where it cannot be done."""
    os.nice(NICE)
    job = Job.from_json(sys.stdin.read())
    try:
        run(job, lambda text: print(text, file=sys.stderr, flush=True))
    except TamizError as error:
        print(f"tamiz: {error.one_line()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
