"""Composition: from overrides on the command line to the resolved values of one run.

This is the only module that imports hydra.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from omegaconf import DictConfig

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
    parsed = []
    for override in overrides:
        try:
            parsed += OverridesParser.create().parse_overrides([override])
        except HydraException as error:
            raise ConfigurationError(f"{override}: cannot be read ({_one_line(error)}); quote its values") from None
    if not flags:
        yield overrides
        return
    for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
        yield from (list(job) for job in batch)


def launch(task: Callable[[list[str]], None]) -> None:
    """Let Hydra read the command line and call ``task`` with the overrides of every run (or show what was asked)."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    def run(_: DictConfig) -> None:
        task(list(HydraConfig.get().overrides.task))

    sys.argv[1:] = [_let_in(argument) for argument in sys.argv[1:]]
    _offer_plugins()
    hydra.main(version_base="1.3", config_path=str(configurations()), config_name="config")(run)()


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The resolved values of one run.

    A value that no file knows is let in here, so that the typed check can name the nearest known key.

    Raises:
        ConfigurationError: an unknown choice of a group, or an override that cannot be read.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    try:
        values = OmegaConf.to_container(_composed(overrides), resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigurationError(f"{error.full_key}: missing; give it a value") from None
    except OmegaConfBaseException as error:
        raise ConfigurationError(_one_line(error)) from None
    assert isinstance(values, dict)
    return _resumed({str(name): value for name, value in values.items()}, overrides)


def _composed(overrides: Sequence[str]) -> DictConfig:
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    checked = [_checked(override) for override in overrides]
    _offer_plugins()
    try:
        if GlobalHydra.instance().is_initialized():
            return hydra.compose("config", checked)
        with hydra.initialize_config_dir(str(configurations()), version_base="1.3"):
            return hydra.compose("config", checked)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(_one_line(error)) from None


@cache
def _offer_plugins() -> None:
    """Let Hydra find the choices that installed packages bring, from now on; ours come first."""
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    from fedkd.configuration.plugins import folders

    class Choices(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            for folder in folders():
                search_path.append("fedkd.compressors", f"file://{folder}")

    Plugins.instance().register(Choices)


def beside(overrides: Sequence[str], changes: Sequence[str]) -> dict[str, Any]:
    """The resolved values of a run that differs from another by some changes.

    A group that the changes switch off stays off, also where the overrides set a field of it.

    Raises:
        ConfigurationError: as for ``compose``.
    """
    from omegaconf import OmegaConf

    together = [*overrides, *changes]
    chosen = _composed([item for item in together if (configurations() / _key(item)).is_dir()])
    groups = (str(name) for name in chosen if not OmegaConf.is_missing(chosen, name))
    off: dict[str, Any] = {name: {} for name in groups if chosen[name] == {}}
    return compose(together) | off | {"compare": {}}


def started(overrides: Sequence[str]) -> list[str]:
    """The overrides that a run was started with: for a resumed run its first ones, and its new ``rounds``.

    Raises:
        ConfigurationError: the folder to resume holds no run.
    """
    folders = [item.partition("=")[2] for item in overrides if _key(item) == "resume"]
    if not folders or folders[-1] == "null":
        return list(overrides)
    first: list[str] = _manifest(folders[-1])["facts"]["overrides"]
    here = [item for item in first if not _elsewhere(item)]
    return [*here, *(item for item in overrides if _key(item) == "rounds" or _elsewhere(item))]


def _let_in(argument: str) -> str:
    """An override that sets a key, made to add the key where no file has it; anything else as it is."""
    key, equals, _ = argument.partition("=")
    if not equals or key.startswith(("+", "~", "-", "hydra")) or (configurations() / key).is_dir():
        return argument
    return f"++{argument}"


def _checked(override: str) -> str:
    """An override as Hydra shall see it; a group's choice is held against the files that there are."""
    key, _, choice = override.partition("=")
    group = configurations() / key
    if not group.is_dir():
        return _let_in(override)
    if choice == "null" or (group / f"{choice}.yaml").is_file():
        return override
    choices = _choices(key)
    if choice in choices:
        return override
    near = difflib.get_close_matches(choice, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(choices)}"
    raise ConfigurationError(f"{key}={choice}: unknown choice; {hint}")


def _choices(group: str) -> list[str]:
    """Ours and those of installed packages."""
    from fedkd.configuration.plugins import folders

    return sorted({path.stem for folder in (configurations(), *folders()) for path in (folder / group).glob("*.yaml")})


def _resumed(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """With ``resume`` the run's own configuration counts; ``rounds`` may be raised, and it may run elsewhere."""
    resume = values.get("resume")
    if not isinstance(resume, str):
        return values
    foreign = [item for item in overrides if _key(item) not in ("resume", "rounds") and not _elsewhere(item)]
    if foreign:
        raise ConfigurationError(f"{foreign[0]}: a resumed run keeps its configuration; drop it, or start a new run")
    kept: dict[str, Any] = _manifest(resume)["configuration"]
    rounds = values["rounds"] if any(_key(item) == "rounds" for item in overrides) else kept["rounds"]
    return {**kept, "resume": resume, "rounds": rounds, "executor": values["executor"]}


def _elsewhere(override: str) -> bool:
    """Whether an override says where a run happens, which leaves no trace in its result."""
    return _key(override).partition(".")[0] == "executor"


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _manifest(folder: str) -> dict[str, Any]:
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        raise ConfigurationError(f"resume={folder}: no manifest.json there; name the folder of a run")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).partition(" See https:")[0]
