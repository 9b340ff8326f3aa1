"""One model and the policy file that changes beside it."""

from __future__ import annotations

from pathlib import Path

from tamiz.bootstrap.policy_file import HousePolicy, LivePolicy
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import cache_folder, canonicalizer
from tamiz.bootstrap.writers import find_cascade
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Clock, Model
from tamiz.models.open import open_model
from tamiz.observe.logs import log
from tamiz.pipeline.cascade import Cascade
from tamiz.service.judge import Judge

REFRESH_SECONDS = 1.0


class LiveJudges:
    """Who triages, for every tenant, under the policy file as it is now; looked at once a second at most."""

    def __init__(
        self, model: Model, policy: Policy, cascade: Cascade, live: LivePolicy, clock: Clock
    ) -> None:
        self._model, self._policy, self._cascade = model, policy, cascade
        self._live, self._clock = live, clock
        self._looked = clock.monotonic()
        self._made = self._under(live.current)

    @property
    def current(self) -> Judge:
        """The judge as it was looked at last."""
        return self._made

    def __call__(self, tenant: str) -> Judge:
        """The judge of this moment."""
        if self._clock.monotonic() - self._looked >= REFRESH_SECONDS:
            self._looked = self._clock.monotonic()
            if self._live.refresh():
                self._made = self._under(self._live.current)
                log("policy changed", digest=self._live.current.digest)
        return self._made

    def _under(self, house: HousePolicy) -> Judge:
        policy = house.over(self._policy)
        for warning in house.warnings(self._policy):
            log("policy warning", warning=warning)
        return Judge(self._model, policy, canonicalizer, self._cascade, house.rules)


def open_judges(settings: Settings, folder: Path, clock: Clock, like: LiveJudges | None = None) -> LiveJudges:
    """A model folder, opened with what the settings put behind it. Of a language model that stands behind `like` the
    weights are shared. ArtifactError, ConfigError, MissingExtraError."""
    model = open_model(folder, settings.llm.base, cache_folder(settings))
    live = LivePolicy(
        settings.serve.policy, model.taxonomy, lambda mistake: log("policy refused", mistake=mistake)
    )
    cascade = find_cascade(settings, model, like.current.cascade.writer if like else None)
    return LiveJudges(model, model.policy.with_modes(settings.policy), cascade, live, clock)
