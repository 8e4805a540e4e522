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
from typing import TYPE_CHECKING, Any, NoReturn

from fedkd.changes import UNTRACED, WHERE, admit_changes, differences, replaced, traced
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from omegaconf import DictConfig

_SWEEP = {"-m", "--multirun"}
_WIDEST = 100
"""Characters of an override that are shown."""


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
        _check_flags(arguments)
        return
    parsed = []
    for override in overrides:
        try:
            parsed += OverridesParser.create().parse_overrides([override])
        except (HydraException, ValueError) as error:
            fix = "quote its values" if "=" in override else "give key=value"
            raise ConfigurationError(f"{override[:_WIDEST]}: cannot be read ({_one_line(error)}); {fix}") from None
    if not flags:
        if several := [item.input_line for item in parsed if item.is_sweep_override()]:
            raise ConfigurationError(f"{several[0]}: has several values; choose one, or sweep over them with -m")
        yield overrides
        return
    for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
        yield from (list(job) for job in batch)


def _check_flags(arguments: Sequence[str]) -> None:
    """Flags that Hydra knows; those that would read other files are not ours."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; choose among --help, --cfg job, --multirun")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    known = parser.parse_args(arguments)
    for name in ("config_path", "config_name", "config_dir", "experimental_rerun"):
        if (value := getattr(known, name)) is not None:
            refuse(f"--{name.replace('_', '-')}={value}: is not read")
    if known.cfg and not known.multirun:
        _composed(known.overrides)


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
    return _resumed(_values(overrides), overrides)


def _values(overrides: Sequence[str]) -> dict[str, Any]:
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    try:
        values = OmegaConf.to_container(_composed(overrides), resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigurationError(f"{error.full_key}: missing; give it a value") from None
    except OmegaConfBaseException as error:
        fault = str(error.msg).splitlines()[0]
        raise ConfigurationError(f"{error.full_key}: {fault}; change {error.full_key}") from None
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


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
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        fault = _one_line(error)
        named = [item for item in overrides if _key(item).lstrip("~") in fault]
        raise ConfigurationError(f"{named[0] if named else 'overrides'}: {fault}; change or drop it") from None


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
    """The overrides that a run was started with: for a resumed run its first ones, and what it was given since.

    Raises:
        ConfigurationError: the folder to resume holds no run.
    """
    folders = [item.partition("=")[2] for item in overrides if _key(item) == "resume"]
    if not folders or folders[-1] == "null":
        return list(overrides)
    first: list[str] = _manifest(folders[-1])["facts"]["overrides"]
    here = [item for item in first if not _elsewhere(item)]
    return [*here, *(item for item in overrides if _key(item) not in ("resume", "changed"))]


def _let_in(argument: str) -> str:
    """An override that sets a key, made to add the key where no file has it; anything else as it is."""
    key, equals, _ = argument.partition("=")
    if not equals or key.startswith(("+", "~", "-", "hydra")) or (configurations() / key).is_dir():
        return argument
    return f"++{argument}"


def _checked(override: str) -> str:
    """An override as Hydra shall see it; a group's choice is held against the files that there are."""
    key, _, choice = override.partition("=")
    name = key.lstrip("+~")
    if not name or "@" in name:
        raise ConfigurationError(f"{override}: has no key of a configuration; give key=value or group=choice")
    if not (configurations() / name).is_dir():
        return _let_in(override)
    choices = _choices(name)
    if key != name:
        raise ConfigurationError(f"{override}: a group has one choice; give {name}= one of {', '.join(choices)}")
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
    """With ``resume`` the run's own configuration counts, but for what is named in ``changed``.

    ``rounds`` may be raised, and it may run elsewhere.
    """
    resume = values.get("resume")
    if not isinstance(resume, str):
        return values
    manifest = _manifest(resume)
    kept: dict[str, Any] = {**manifest["configuration"], "changed": []}
    rounds = values["rounds"] if any(_key(item) == "rounds" for item in overrides) else kept["rounds"]
    asked = _asked(kept, _traced(manifest["facts"]["overrides"]), _traced(overrides))
    found = traced(kept, asked)
    admit_changes(found, values["changed"])
    told = values if any(_key(item).partition(".")[0] == "recorder" for item in overrides) else kept
    fresh = {"resume": resume, "rounds": rounds, "changed": values["changed"]}
    fresh |= {"recorder": told["recorder"], **{group: values[group] for group in WHERE}}
    if found:
        _check_resumption(kept, asked | fresh)
    return asked | fresh


def _asked(kept: dict[str, Any], first: list[str], new: list[str]) -> dict[str, Any]:
    """The kept configuration with what new overrides make of the command line that the run was started with."""
    if not new:
        return kept
    together, paths = _values([*first, *new]), [_key(item) for item in new]
    if any((configurations() / path).is_dir() for path in paths):
        # A choice may also set what is in other groups.
        paths += differences(_values(first), together)
    return replaced(kept, together, paths)


def _check_resumption(kept: dict[str, Any], asked: dict[str, Any]) -> None:
    from fedkd.configuration import Settings
    from fedkd.configuration.resumption import check_resumption

    check_resumption(Settings.of(kept), Settings.of(asked))


def _traced(overrides: Sequence[str]) -> list[str]:
    """The overrides that leave a trace in a run's result."""
    return [item for item in overrides if _key(item).partition(".")[0] not in UNTRACED]


def _elsewhere(override: str) -> bool:
    """Whether an override says where a run happens, which leaves no trace in its result."""
    return _key(override).partition(".")[0] in (*WHERE, "recorder")


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
