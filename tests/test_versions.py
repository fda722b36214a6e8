"""Every part says the version that was installed."""

from importlib import metadata

import pe_agent
import pe_collector
import pe_image


def test_every_part_says_the_version_that_was_installed():
    told = {part.__name__: part.__version__ for part in (pe_agent, pe_collector, pe_image)}
    assert told == dict.fromkeys(told, metadata.version("pe-agent"))
