"""Composition: from overrides on the command line to the resolved values of one run.

This is the only module that imports hydra.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fedkd.errors import ConfigurationError

_SWEEP = {"-m", "--multirun"}


def configurations() -> Path:
    """The folder of the configuration groups: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def expand(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of every run that a command line asks for; none when it only asks to be shown something.

    Raises:
        ConfigurationError: an override that cannot be read.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    flags = {argument for argument in arguments if argument.startswith("-")}
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    if flags - _SWEEP:
        return
    if not flags:
        yield overrides
        return
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise ConfigurationError(_one_line(error)) from None
    for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
        yield from (list(job) for job in batch)


def launch(task: Callable[[list[str]], None]) -> None:
    """Let Hydra read the command line and call ``task`` with the overrides of every run (or show what was asked)."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    def run(_: DictConfig) -> None:
        task(list(HydraConfig.get().overrides.task))

    hydra.main(version_base="1.3", config_path=str(configurations()), config_name="config")(run)()


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The resolved values of one run.

    A value that no file knows is let in here, so that the typed check can name the nearest known key.

    Raises:
        ConfigurationError: an unknown choice of a group, or an override that cannot be read.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        if GlobalHydra.instance().is_initialized():
            composed = hydra.compose("config", list(overrides))
        else:
            with hydra.initialize_config_dir(str(configurations()), version_base="1.3"):
                composed = hydra.compose("config", [_checked(override) for override in overrides])
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(_one_line(error)) from None
    assert isinstance(values, dict)
    return _resumed({str(name): value for name, value in values.items()}, overrides)


def _checked(override: str) -> str:
    """An override as Hydra shall see it; a group's choice is held against the files that there are."""
    key, _, choice = override.partition("=")
    if key.startswith(("+", "~", "hydra")):
        return override
    group = configurations() / key
    if not group.is_dir():
        return f"++{override}"
    choices = sorted(path.stem for path in group.glob("*.yaml"))
    if choice in choices:
        return override
    near = difflib.get_close_matches(choice, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(choices)}"
    raise ConfigurationError(f"{key}={choice}: unknown choice; {hint}")


def _resumed(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """With ``resume`` the run's own configuration counts; only ``rounds`` may be raised."""
    resume = values.get("resume")
    if not isinstance(resume, str):
        return values
    foreign = [item for item in overrides if item.split("=")[0].lstrip("+") not in ("resume", "rounds")]
    if foreign:
        raise ConfigurationError(f"{foreign[0]}: a resumed run keeps its configuration; drop it, or start a new run")
    manifest = Path(resume) / "manifest.json"
    if not manifest.is_file():
        raise ConfigurationError(f"resume={resume}: no manifest.json there; name the folder of a run")
    kept: dict[str, Any] = json.loads(manifest.read_text())["configuration"]
    rounds = values["rounds"] if any(item.startswith("rounds=") for item in overrides) else kept["rounds"]
    return {**kept, "resume": resume, "rounds": rounds}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).partition(" See https:")[0]
