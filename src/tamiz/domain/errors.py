"""The error tree. A class's docstring is its message template, `hint` says what to do.

TamizError
├── InputError                 bad input from a person: exit code 2
│   ├── TaxonomyError          a taxonomy file is broken
│   │   └── NoTaxonomyError    there is none at that path
│   ├── DataError              a data file cannot be used as it is
│   ├── ConfigError            a setting is wrong
│   ├── LeakError              a split leaks, so its figures would mislead
│   └── BadCorrectionError     a correction that the taxonomy does not allow
├── MissingExtraError          an optional dependency is absent: exit code 3
├── BadPredictionError         a model answered what is no answer: exit code 1
├── ArtifactError              a model on disk cannot be used: exit code 4
│   ├── ModelNotFoundError
│   ├── BrokenArtifactError
│   ├── NoEarlierModelError    there is none to go back to
│   ├── MissingWeightsError    the base model of an adapter is not on this machine
│   └── TaxonomyMismatchError
├── StoreError                 durable state: exit code 7
│   ├── StoreUnavailableError      the disk is full, the server is away; worth another try
│   ├── StoreLockedError           another process has the data folder
│   ├── StoreVersionError          the data folder belongs to another version
│   ├── UnknownTicketError
│   ├── UnknownKeyError
│   ├── DuplicateError             the same key or external id once more
│   ├── ConflictError              it changed meanwhile
│   │   └── KeyReusedError         an Idempotency-Key that came with another ticket
│   ├── UnknownPlanError
│   ├── TransitionError            a status that may not follow
│   └── LeaseLostError             a late result of a job that is in other hands
├── DeskError (domain.desk)    a desk could not be read or written: exit code 6
└── ProviderError              a language model could not answer: exit code 6
    ├── ProviderUnavailableError   no connection, a timeout, 5xx; worth another try
    │   └── RateLimitedError       429
    ├── ProviderRejectedError      a wrong or revoked key, an unknown model, a request it cannot take
    ├── RefusedError               the model declined to answer
    ├── BadReplyError              what came back is not what was asked for; worth another try
    ├── CircuitOpenError           it failed so often that it is left alone for a while
    ├── SpentError                 a cap on tokens or money is reached
    └── CancelledError             the caller gave up
"""

from __future__ import annotations

import re
from typing import ClassVar, Self


class TamizError(Exception):
    """Tamiz failed: {reason}"""

    hint: ClassVar[str] = ""
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        template = (type(self).__doc__ or "").strip()
        super().__init__(template.format(**facts))

    @classmethod
    def kind(cls) -> str:
        """The name of the class between programs: `unknown-ticket`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__.removesuffix("Error")).lower()

    @classmethod
    def retold(cls, line: str) -> Self:
        """The error as another process put it into one line, hint and all."""
        error = cls.__new__(cls)
        Exception.__init__(error, line)
        error.facts, error.hint = {}, ""  # type: ignore[misc]
        return error

    @property
    def advice(self) -> str:
        """The hint with this error's facts filled in; empty when there is none."""
        return self.hint.format(**self.facts)

    def one_line(self) -> str:
        """Message and hint, as the CLI and the API print them."""
        return f"{self} {self.advice}".strip()


class InputError(TamizError):
    """{reason}"""

    exit_code = 2


class TaxonomyError(InputError):
    """{path}:{line}: {mistake}"""

    hint = "Mend the file; `tamiz taxonomy check FILE` reads it again."


class NoTaxonomyError(TaxonomyError):
    """{path}: cannot be read ({mistake})."""

    hint = "Check the path; `tamiz taxonomy schema --form toml` prints the default taxonomy to start from."


class DataError(InputError):
    """{path}: {mistake}"""


class ConfigError(InputError):
    """{key}: {mistake}"""


class LeakError(InputError):
    """The evaluation split leaks: {findings}."""

    hint = "Split by group or template (`tamiz data split`), or pass --allow-leak to print the figures marked as such."


class BadCorrectionError(InputError):
    """The correction cannot be taken: {mistake}."""

    hint = "Allowed are: {allowed}."


class MissingExtraError(TamizError):
    """{package} is not installed; it belongs to the optional extra '{extra}'."""

    hint = "Run: pip install 'tamiz[{extra}]'"
    exit_code = 3


class BadPredictionError(TamizError):
    """The model '{name}' answered what is no answer: {mistake}."""

    hint = "Check its files with `tamiz models verify`, or activate another one."


class ArtifactError(TamizError):
    """The model at {path} cannot be used: {mistake}"""

    exit_code = 4


class ModelNotFoundError(ArtifactError):
    """No model named '{name}'; known are: {known}."""

    hint = "`tamiz models list` shows them; a folder path works too."


class BrokenArtifactError(ArtifactError):
    """The model at {path} is damaged: {mistake}"""

    hint = "Train or export it again; a model folder is never edited by hand."


class NoEarlierModelError(ArtifactError):
    """Tenant '{tenant}' has taken no model into use: there is nothing to roll back."""

    hint = "`tamiz models list` shows them, and `tamiz models activate` takes one into use."


class MissingWeightsError(ArtifactError):
    """The weights of '{base}' are not on this machine."""

    hint = "To get them, {way}."


class TaxonomyMismatchError(ArtifactError):
    """The model at {path} was trained on other classes than taxonomy '{taxonomy}': {mistake}"""

    hint = "Use the taxonomy inside the model folder, or train a model on the new classes."


class StoreError(TamizError):
    """The store failed: {reason}"""

    exit_code = 7


class StoreUnavailableError(StoreError):
    """The store cannot be written: {reason}"""

    hint = "Nothing was accepted. Check the disk or the database server, then try again."
    retryable = True


class StoreLockedError(StoreError):
    """Another process (id {pid}) is using {path}."""

    hint = "Stop it first. Of a running service `tamiz keys`, `models`, `undo` and `desk` need not be told: they work through it."


class StoreVersionError(StoreError):
    """{path} has schema {found}, and this version of Tamiz needs {needed}."""

    hint = "{way}"


class UnknownTicketError(StoreError):
    """There is no ticket '{ticket}'."""


class UnknownKeyError(StoreError):
    """There is no living key '{key}'."""

    hint = "`tamiz keys list` shows them."


class DuplicateError(StoreError):
    """{what} is already there."""


class ConflictError(StoreError):
    """{what} was changed meanwhile: {reason}"""

    hint = "Read it again and repeat what is still wanted."


class KeyReusedError(ConflictError):
    """This Idempotency-Key came with another ticket before."""

    hint = "Send the same ticket again, or take another key."


class UnknownPlanError(StoreError):
    """Nobody remembers a plan '{plan}'."""

    hint = "Plan again: the last few plans are kept, until the service ends."


class TransitionError(StoreError):
    """A ticket that is {now} cannot become {then}."""


class LeaseLostError(StoreError):
    """Job {job} is in other hands: its lease {epoch} has ended."""


class ProviderError(TamizError):
    """The language model {provider} did not answer: {reason}"""

    hint = "The ticket keeps what the encoder says; `tamiz doctor` tells whether the model can be reached."
    exit_code = 6


class ProviderUnavailableError(ProviderError):
    """The language model {provider} cannot be reached: {reason}"""

    retryable = True


class RateLimitedError(ProviderUnavailableError):
    """The language model {provider} is over its rate limit: {reason}"""


class ProviderRejectedError(ProviderError):
    """The language model {provider} rejects the request: {reason}"""

    hint = "Check its key, its address and the model's name."


class PromptTooLongError(ProviderRejectedError):
    """The language model {provider} reads {room} tokens, and was sent more."""

    hint = "Give it a larger context."


class RefusedError(ProviderError):
    """The language model {provider} declined to answer: {reason}"""

    hint = "A person decides this ticket."


class BadReplyError(ProviderError):
    """The language model {provider} sent what cannot be read: {reason}"""

    retryable = True


class CircuitOpenError(ProviderError):
    """The language model {provider} failed {failures} times in a row and is left alone for {seconds} s."""


class SpentError(ProviderError):
    """The language model {provider} has used up its cap: {reason}"""

    hint = "Raise the cap, or wait until it is counted anew."


class CancelledError(ProviderError):
    """The request to the language model {provider} was cancelled."""
