"""Models are changed while the service runs: each tenant's pointer, sound models alone, no ticket under two of them."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

for package in ("sqlalchemy", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.bootstrap.settings import ServeSettings, Settings
from tamiz.bootstrap.shelf import FolderShelf
from tamiz.bootstrap.tenants import AGAIN_SECONDS, TenantJudges
from tamiz.bootstrap.wiring import registry
from tamiz.domain.errors import (
    ArtifactError,
    BrokenArtifactError,
    ConfigError,
    ModelNotFoundError,
    NoEarlierModelError,
)
from tamiz.domain.gate import Policy
from tamiz.domain.records import Activation
from tamiz.domain.taxonomy import Taxonomy, infer
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.service import models as use
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore
from tamiz.text import TEXT_VERSION

AREAS = infer("areas", {"area": ["A", "B", "C"]})
OTHER = infer("others", {"kind": ["X", "Y"]})


@dataclass
class House:
    """A data folder with models that always answer the same, and a service's judges over one store."""

    home: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: ManualClock = field(default_factory=ManualClock)
    refused: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, model="m1", serve=ServeSettings(policy=self.home / "policy.toml"))

    def model(
        self, name: str, best: int = 0, taxonomy: Taxonomy = AREAS, text: str = TEXT_VERSION, day: int = 1
    ) -> Path:
        """A model of class frequencies, in the registry."""
        shares = {}
        for f in taxonomy.predicted:
            found = np.full(len(f.classes), 0.1 / (len(f.classes) - 1), dtype=np.float64)
            found[best] = 0.9
            shares[f.name] = found
        told = Manifest(
            name,
            "majority",
            f"2026-01-{day:02}T00:00:00+00:00",
            "0",
            taxonomy.classes_hash,
            taxonomy.prose_hash,
            text,
            best,
            policy=Policy().to_dict(),
        )
        draft = self.home / "drafts" / f"{name}{best}{text}"
        write_artifact(draft, told, taxonomy, {"frequencies.safetensors": save(shares)})
        return registry(self.settings).add(draft)

    def judges(self) -> TenantJudges:
        """Those of one more process."""
        return TenantJudges(self.settings, self.store, self.clock, self.refused.append)

    def activate(self, judges: use.Shelf, name: str, tenant: str = DEFAULT_TENANT) -> None:
        use.activate(self.store, self.clock, judges, tenant, name, "ana")

    def rollback(self, judges: use.Shelf, tenant: str = DEFAULT_TENANT) -> str | None:
        back = use.rollback(self.store, self.clock, judges, tenant, "ana")
        return back.name if back else None

    def pile(self, tenant: str = DEFAULT_TENANT) -> list[str]:
        return [one.name for one in self.store.read(lambda tx: tx.models.pile(tenant))]


@pytest.fixture
def house(tmp_path) -> House:
    one = House(tmp_path / "home")
    one.home.mkdir()
    for number, name in enumerate(("m1", "m2", "m3")):
        one.model(name, number)
    return one


def says(judges: TenantJudges, tenant: str = DEFAULT_TENANT) -> str:
    return judges(tenant).model.info.name


def damage(folder: Path) -> None:
    path = folder / "frequencies.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def test_a_tenant_has_its_own_model_or_that_of_the_house(house: House) -> None:
    judges = house.judges()
    assert (says(judges), says(judges, "acme")) == ("m1", "m1")
    house.activate(judges, "m2", "acme")
    assert (says(judges), says(judges, "acme"), says(judges, "bolt")) == ("m1", "m2", "m1")
    house.activate(judges, "m3")
    assert (says(judges), says(judges, "acme"), says(judges, "bolt")) == ("m3", "m2", "m3")
    assert house.rollback(judges, "acme") is None
    assert says(judges, "acme") == "m3"
    assert registry(house.settings).active() == registry(house.settings).find("m3")


def test_a_model_is_opened_once_however_many_have_it(house: House) -> None:
    judges = house.judges()
    for tenant in ("acme", "bolt", "corp"):
        house.activate(judges, "m2", tenant)
    assert judges("acme").model is judges("bolt").model is judges("corp").model
    assert judges("acme").model is not judges("dune").model


def test_the_old_model_goes_when_nobody_has_it_any_more(house: House) -> None:
    judges = house.judges()
    old = weakref.ref(judges(DEFAULT_TENANT).model)
    in_hand = judges(DEFAULT_TENANT)
    house.activate(judges, "m2")
    assert old() is in_hand.model, "a batch ends with the model that it began with"
    gc.disable()
    try:
        del in_hand
        assert old() is None, "not even a round of the collector is needed"
    finally:
        gc.enable()


def test_pointers_go_back_step_by_step_and_so_does_the_one_of_commands(house: House) -> None:
    judges, files = house.judges(), registry(house.settings)
    for name in ("m2", "m3"):
        house.activate(judges, name)
    assert files.active() == files.find("m3")
    assert house.rollback(judges) == "m2"
    assert (says(judges), files.active()) == ("m2", files.find("m2"))
    assert house.rollback(judges) is None
    assert (says(judges), files.active(), house.pile()) == ("m1", None, [])
    with pytest.raises(NoEarlierModelError):
        house.rollback(judges)
    with pytest.raises(NoEarlierModelError):
        house.rollback(judges, "acme")


def test_what_commands_took_into_use_before_counts_until_the_store_names_one(house: House) -> None:
    files = registry(house.settings)
    files.activate("m2")
    judges = house.judges()
    assert says(judges) == "m2"
    house.activate(judges, "m3")
    assert [house.rollback(judges), says(judges)] == [None, "m2"]
    assert [house.rollback(judges), says(judges)] == [None, "m1"]


def test_a_damaged_or_unfit_model_is_refused_and_the_old_one_goes_on(house: House) -> None:
    judges = house.judges()
    damage(registry(house.settings).find("m2"))
    house.model("later", text="99")
    (house.home / "policy.toml").write_text("[modes]\narea = 'review'\n", "utf-8")
    house.model("elsewhere", taxonomy=OTHER)
    cases: list[tuple[str, type[Exception], str]] = [
        ("m2", BrokenArtifactError, "frequencies.safetensors has changed"),
        ("later", BrokenArtifactError, "version 99 of the text"),
        ("elsewhere", ConfigError, "no such field"),
        ("nope", ModelNotFoundError, "known are"),
        ("../m1", ModelNotFoundError, "known are"),
        (str(registry(house.settings).find("m3")), ModelNotFoundError, "known are"),
    ]
    for name, error, told in cases:
        with pytest.raises(error, match=told):
            house.activate(judges, name)
        assert (says(judges), house.pile()) == ("m1", [])
    assert house.store.read(lambda tx: tx.audit.after(DEFAULT_TENANT)) == []


def test_a_model_that_was_damaged_since_cannot_be_gone_back_to(house: House) -> None:
    judges = house.judges()
    for name in ("m2", "m3"):
        house.activate(judges, name)
    damage(registry(house.settings).find("m2"))
    with pytest.raises(BrokenArtifactError):
        house.rollback(judges)
    assert (says(judges), house.pile()) == ("m3", ["m3", "m2"])
    with pytest.raises(ArtifactError):
        house.activate(judges, "m2", "acme")


def test_another_process_follows_when_it_looks(house: House) -> None:
    here, there = house.judges(), house.judges()
    house.activate(here, "m2", "acme")
    assert says(there, "acme") == "m1"
    there.refresh()
    assert says(there, "acme") == "m2"
    house.activate(FolderShelf(house.settings, house.clock), "m3", "acme")
    there.refresh()
    assert says(there, "acme") == "m3"


def test_another_process_that_cannot_open_it_keeps_the_old_one_and_tries_again(house: House) -> None:
    here, there = house.judges(), house.judges()
    house.activate(here, "m2")
    house.activate(here, "m3", "acme")
    folder = registry(house.settings).find("m2")
    sound = (folder / "frequencies.safetensors").read_bytes()
    damage(folder)
    for _ in range(3):
        there.refresh()
        house.clock.pause(1.0)
    assert (says(there), says(there, "acme")) == ("m1", "m3")
    assert len(set(house.refused)) == len(house.refused) == 2, (
        "the tenant's and the file pointer's, each told once"
    )
    (folder / "frequencies.safetensors").write_bytes(sound)
    there.refresh()
    assert says(there) == "m1"
    house.clock.pause(AGAIN_SECONDS)
    there.refresh()
    assert says(there) == "m2"


def test_one_that_was_refused_is_there_at_once_when_it_is_mended_and_taken_into_use_again(
    house: House,
) -> None:
    here, there = house.judges(), house.judges()
    house.activate(here, "m2", "acme")
    folder = registry(house.settings).find("m2")
    sound = (folder / "frequencies.safetensors").read_bytes()
    damage(folder)
    there.refresh()
    (folder / "frequencies.safetensors").write_bytes(sound)
    house.activate(there, "m2", "acme")
    assert says(there, "acme") == "m2"


def test_who_comes_late_does_not_lead_the_pointer_of_commands_astray(house: House) -> None:
    judges, files = house.judges(), registry(house.settings)
    house.activate(judges, "m2")
    (early,) = house.store.read(lambda tx: tx.models.pile(DEFAULT_TENANT))
    house.activate(judges, "m3")
    judges.moved(DEFAULT_TENANT, early)
    assert (says(judges), files.active()) == ("m3", files.find("m3"))


def test_a_model_that_was_made_wrong_is_refused_as_one(house: House) -> None:
    here, there = house.judges(), house.judges()
    manifest = registry(house.settings).find("m2") / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"scope_apply"', '"scope"'), "utf-8")
    with pytest.raises(ArtifactError, match=r"cannot be opened \(KeyError: 'scope_apply'\)"):
        house.activate(here, "m2")
    found = registry(house.settings).versions("m2")[0]
    wrong = Activation("acme", "m2", found.content_hash, "", "", house.clock.now(), "ana")
    house.store.write(lambda tx: tx.models.push(wrong))
    there.refresh()
    assert (says(there, "acme"), len(house.refused)) == ("m1", 1)


def test_a_draft_that_was_left_behind_is_no_model(house: House) -> None:
    files = registry(house.settings)
    folder = files.find("m2")
    draft = folder.parent / ".draft-abc"
    shutil.copytree(folder, draft)
    (draft / "frequencies.safetensors").unlink()
    shutil.rmtree(folder)
    with pytest.raises(ModelNotFoundError):
        files.find("m2")
    assert [entry.name for entry in files.list()][:2] == ["m1", "m3"]


def test_a_service_does_not_start_with_another_model_than_the_store_names(house: House) -> None:
    house.activate(house.judges(), "m2", "acme")
    damage(registry(house.settings).find("m2"))
    with pytest.raises(BrokenArtifactError):
        house.judges()
    assert house.rollback(FolderShelf(house.settings, house.clock), "acme") is None
    assert says(house.judges(), "acme") == "m1"


def test_a_newer_version_is_not_taken_into_use_by_being_made(house: House) -> None:
    judges, old = house.judges(), house.judges()(DEFAULT_TENANT).model.info
    house.model("m1", best=2, day=2)
    house.clock.pause(AGAIN_SECONDS)
    judges.refresh()
    assert judges(DEFAULT_TENANT).model.info == old
    house.activate(judges, "m1")
    assert judges(DEFAULT_TENANT).model.info.content_hash != old.content_hash


def test_one_gets_away_from_a_model_whose_folder_is_gone(house: House) -> None:
    judges = house.judges()
    house.activate(judges, "m2")
    shutil.rmtree(registry(house.settings).find("m2"))
    assert says(judges) == "m2", "it is in memory"
    assert house.rollback(judges) is None
    assert (says(judges), registry(house.settings).active()) == ("m1", None)


def test_a_manifest_that_cannot_be_read_hinders_no_other_model(house: House) -> None:
    judges = house.judges()
    (registry(house.settings).find("m2") / "manifest.json").write_text("{", "utf-8")
    house.activate(judges, "m3")
    assert says(judges) == "m3"
    assert [info.name for info in judges.known()][:2] == ["m1", "m3"]
    with pytest.raises(BrokenArtifactError, match="cannot be read"):
        house.activate(judges, "m2")


def test_no_batch_sees_two_models_while_they_change(house: House) -> None:
    judges, stop, mixed = house.judges(), threading.Event(), list[str]()
    seen: set[str] = set()
    labels = {f"m{n + 1}": AREAS.field("area").keys[n] for n in range(3)}
    tickets = [Ticket(f"t{n}", RawMessage("s", f"b{n}"), house.clock.now()) for n in range(5)]

    def triage() -> None:
        while not stop.is_set():
            for one in judges(DEFAULT_TENANT).triage(tickets):
                seen.add(one.receipt.model)
                if one.fields["area"].top[0][0] != labels[one.receipt.model]:
                    mixed.append(one.receipt.model)

    threads = [threading.Thread(target=triage) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        until_seen(lambda: "m1" in seen)
        for _ in range(4):
            for name in ("m2", "m3", "m1"):
                house.activate(judges, name)
        damage(registry(house.settings).find("m2"))
        with pytest.raises(BrokenArtifactError):
            house.activate(judges, "m2")
        until_seen(lambda: len(seen) == 3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (mixed, says(judges)) == ([], "m1")


def until_seen(done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if done():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")
