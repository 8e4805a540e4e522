"""A whole configuration: ranges of the top-level keys, and what cannot work together."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError

SUPERVISED = ("data=digits", "task=supervised")


def checked(*overrides: str) -> Settings:
    settings = Settings.of(compose(overrides))
    check(settings)
    return settings


def test_the_main_job_is_sound() -> None:
    settings = checked()
    assert (settings.algorithm.name, settings.resume, settings.compare) == ("MCM", None, {})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "seed=-1 is below 0; choose seed >= 0"),
        ("rounds=0", "rounds=0 is below 1; choose rounds >= 1"),
        ("clients=0", "clients=0 is below 1; choose clients >= 1"),
        ("evaluate_every=0", "evaluate_every=0 is below 1; choose evaluate_every >= 1"),
        ("checkpoint_every=-1", "checkpoint_every=-1 is below 0; choose checkpoint_every >= 0"),
        ("threads=0", "threads=0 is below 1; choose threads >= 1"),
        ("threads=1025", "threads=1025 exceeds 1024; choose threads <= 1024"),
        ("checkpoint_keep=13", "checkpoint_keep=13 exceeds 12; choose checkpoint_keep <= 12"),
        ("folder=", "folder='': is empty; choose folder = runs"),
        ("init=''", "init='': is empty; choose init = null"),
        ("init=/nowhere", "init=/nowhere: no model.safetensors there; name the folder of a run that has ended"),
        ("init=1", "init=1: expected a text or null; change init"),
        ("name=a/../b", "name='a/../b': is no name of a folder; choose name = null"),
        ("plugins=[a-b]", "plugins[0]='a-b': is no package; give the name that is imported"),
        ("rounds=1.5", "rounds=1.5: expected an integer; change rounds"),
        ("plugins=[1]", "plugins[0]=1: expected a text; change plugins[0]"),
        ("seeds=1", "seeds: unknown key; did you mean seed?"),
    ],
)
def test_top_level_keys_have_bounds(override: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked(override)
    assert str(caught.value) == message


NODES = "executor=flower_in_process"


@pytest.mark.parametrize(
    ("overrides", "fault", "fix"),
    [
        (["uplink=rand_k", "uplink.operator.k=100000"], "RandK: k=100000 exceeds dim=", "choose k <= dim"),
        (["downlink=rand_k", "downlink.operator.k=100000"], "RandK: k=100000 exceeds dim=", "choose k <= dim"),
        (["uplink.memory.rate=0.95"], "Shift: rate=0.95 is outside (0, 0.9231]", "choose rate = auto"),
        (["downlink.memory.rate=0"], "Shift: rate=0 is outside (0, ", "choose rate = auto"),
        (["uplink=top_k"], "Shift: rate=auto needs an unbiased operator", "choose rate = 1"),
        (["clients=100000"], "clients=100000 exceeds the ", "choose clients <= "),
        (["participation=fixed", "participation.size=21"], "FixedCohort: size=21 exceeds clients=20", "choose size"),
        (["participation=bernoulli", "participation.p=0"], "p=0 is outside (0, 1]", "choose p in it"),
        (["partitioner.min_partition_size=1000"], "min_partition_size=1000 x 20 clients exceeds", "choose min_"),
        (["model.hidden=[1000000,1000000]"], "Mlp(hidden=(1000000, 1000000)) has 1000076000010 parameters", "smaller"),
        (["partitioner.alpha=-1"], "alpha=-1.0", "choose alpha > 0"),
        (["data=npz", "data.path=/nowhere.npz"], "Npz: /nowhere.npz is missing", "set data.path"),
        (["data=libsvm", "data.path=/nowhere.svm"], "/nowhere.svm", "set"),
        (["data=fashion", "data.path=/nowhere"], "/nowhere", "set"),
        (["model=none"], "model: none, but this task trains a network", "choose model=mlp"),
        (["teacher=global_model"], "teacher: given, but this task takes none", "choose teacher=none"),
        (["task=distillation"], "teacher: none, but task Distillation needs one", "choose teacher=pretrained"),
        (["task=dkd"], "teacher: none, but task Matching needs one", "choose teacher=pretrained"),
        (["algorithm.compresses=step", "algorithm.sent_to=each"], "no common model", "choose sent_to = all"),
        (["server.step_size=-1"], "step_size=-1", "choose"),
        (["solver.momentum=1"], "momentum=1 is outside [0, 1)", "choose momentum"),
        (["deadline=quantile"], "deadline: Quantile leaves clients behind", "choose admission=drop"),
        (["deadline=ski_rental", "deadline.price=1"], "deadline: SkiRental leaves clients", "choose admission=drop"),
        (["deadline=quantile", "deadline.q=0.3", "admission=drop"], "q=0.3 is below admission.quorum=0.5", "q >= 0.5"),
        ([NODES, "schedule.placement=matching"], "with FlowerInProcess clients stay", "choose placement = sticky"),
        ([NODES, "residency=ski_rental"], "with FlowerInProcess nodes keep states", "choose residency=evict"),
        (["residency=ski_rental", "residency.price=0"], "price=0 is outside (0, 10^6]", "choose price = 8"),
    ],
)
def test_what_cannot_work_is_answered_with_value_bound_and_fix(overrides: list[str], fault: str, fix: str) -> None:
    teacher = ["teacher=none"] if overrides in (["task=distillation"], ["task=dkd"]) else []
    with pytest.raises(ConfigurationError) as caught:
        checked(*SUPERVISED, *overrides, *teacher)
    message = str(caught.value)
    assert fault in message
    assert fix in message
    assert "\n" not in message


def test_a_missing_value_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^data\.path: missing; give it a value$"):
        checked("data=npz")


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no manifest.json there; name the folder of a run$"):
        checked(f"resume={tmp_path}")
