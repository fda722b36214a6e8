"""What the first probe does not wait for: other probes, click, the wheels, what judges and ships."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pe_agent import hook, probes, render
from pe_agent.errors import NotDelivered, UsageError
from pe_agent.model import Boot, Clock, Identity, Observation, Opening, Outcome, Reason
from pe_agent.probes import PROBES
from pe_agent.probes.contract import Phase
from pe_agent.recorder import Recorder

from tests.agent.first_probe import LATER, asking


def test_the_hooks_run_asks_its_first_probe_before_it_loads_anything_else(tmp_path):
    told = {"PE_AGENT_ONLY": "architecture", "PE_AGENT_WATCH_S": "0", "PE_AGENT_SPOOL": str(tmp_path)}
    command = [sys.executable, "-c", asking(LATER)]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "0 []", done.stderr
    assert list(tmp_path.glob("*.pespool"))


# What dataclasses do with the modules that are spared them until then.
SPARED = """
import sys
from pe_agent.spared import import_dataclasses
import_dataclasses()
before = sorted({"copy", "inspect"} & set(sys.modules))
from dataclasses import asdict, dataclass
@dataclass
class Lease:
    seconds: list
kept = [60]
told = asdict(Lease(kept))["seconds"]
import copy, inspect
print(before, Lease.__doc__, told, told is kept, inspect.isfunction(asdict), copy.copy(1))
"""


def test_dataclasses_work_in_full_without_the_modules_that_were_not_loaded_for_them():
    done = subprocess.run([sys.executable, "-c", SPARED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] Lease(seconds: list) [60] False True 1"


@pytest.mark.parametrize("words", [["auto"], ["auto", "--foreground"], ["auto", "--no-send", "--foreground"]])
def test_the_words_of_a_hook_need_no_parser(words):
    assert hook.is_plain(words)


@pytest.mark.parametrize("words", [[], ["report"], ["auto", "--watch", "1"], ["auto", "--help"]])
def test_all_other_words_do(words):
    assert not hook.is_plain(words)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.name}-{probe.phase}")
def test_every_row_of_the_table_names_a_function_that_there_is(probe):
    assert callable(probe.run.load())


def test_every_module_of_probes_has_a_row():
    modules = {path.stem for path in Path(probes.__file__).parent.glob("*.py")} - {"__init__", "contract"}
    assert {probe.run.module for probe in PROBES} == modules


def test_the_first_phase_is_what_needs_no_network():
    assert {probe.name for probe in PROBES if probe.phase is Phase.MACHINE} >= {"address", "architecture"}


def test_the_command_line_offers_every_format():
    from pe_agent.cli import report

    (option,) = (option for option in report.params if option.name == "form")
    assert list(option.type.choices) == sorted(render.FORMATS)


class Shipment:
    """Takes frames and delivers none; stands for one whose gRPC took long to load."""

    def __init__(self):
        self.sequence = []

    def put(self, frame):
        self.sequence.append(frame.sequence)

    def finish(self):
        pass

    def wait(self, timeout_s):
        raise NotDelivered("nobody is there")


def recorder_in(folder):
    opening = Opening(bytes(16), "1", "auto", Identity(), Boot(began=Clock(1.0, 0)))
    return Recorder(opening, lambda: Clock(1.0, 0), (folder,))


def observation(name):
    return Observation(name, "", Outcome.OK, Reason.ANSWERED, 1.0, 0.1)


def test_records_that_came_while_grpc_loaded_go_first_and_once(tmp_path):
    loaded, shipment, recorder = threading.Event(), Shipment(), recorder_in(tmp_path)

    def begin():
        assert loaded.wait(60)
        return shipment

    recorder.open(begin)
    recorder.add(observation("a"))
    recorder.add(observation("b"))
    loaded.set()
    recorder.begun(60)
    recorder.add(observation("c"))
    recorder.finish(1)
    assert shipment.sequence == [1, 2, 3]


def test_a_shipment_that_cannot_be_meant_is_told_in_the_receipt_and_the_report_is_kept(tmp_path):
    def begin():
        raise UsageError("CA certificate ca.pem: No such file")

    recorder = recorder_in(tmp_path)
    recorder.open(begin)
    recorder.add(observation("a"))
    delivery = recorder.finish(5)
    assert "CA certificate ca.pem: No such file" in delivery.text
    assert delivery.kept
