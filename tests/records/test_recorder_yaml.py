from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from fedkd.compose import configurations
from fedkd.configuration.construct import construct
from fedkd.records import Console


@pytest.mark.parametrize(("name", "says"), [("console", "hello\n"), ("quiet", "")])
def test_the_configurations_build(name, says, capsys):
    values = OmegaConf.to_container(OmegaConf.load(configurations() / "recorder" / f"{name}.yaml"))
    construct(Console, values, "recorder").announce("hello")
    assert capsys.readouterr().out == says
