"""What do boots have in common?"""

import pytest
from pe_agent.errors import UsageError
from pe_collector.attributes import attributes_of, parse, subnet_of
from pe_protos.v1 import report_pb2 as pb

HELLO = pb.Hello(boot=pb.Boot(image_build="b7"), identity=pb.Identity(model="OptiPlex"))


def test_the_adapter_with_the_address_tells_about_the_adapter():
    idle = ("address", {"driver": "idle", "hardware_id": "PCI\\1"})
    used = ("address", {"driver": "used", "address": "10.10.1.23", "prefix_length": 24, "gateway": "10.10.1.1"})
    found = attributes_of(HELLO, [idle, used])
    assert found["adapter_driver"] == "used"
    assert found["subnet"] == "10.10.1.0/24"
    assert found["gateway"] == "10.10.1.1"


def test_without_any_address_the_driver_is_still_told():
    found = attributes_of(HELLO, [("address", {"driver": "idle"})])
    assert found["adapter_driver"] == "idle"
    assert "subnet" not in found


def test_an_image_without_a_name_goes_by_its_build():
    assert attributes_of(HELLO, [])["image"] == "b7"


def test_the_image_is_what_was_booted_and_not_its_architecture():
    found = attributes_of(HELLO, [("architecture", {"image": "x86", "cpu": "x64", "secure_boot": False})])
    assert (found["image"], found["image_arch"], found["secure_boot"]) == ("b7", "x86", "false")


def test_what_is_no_address_makes_no_subnet():
    assert subnet_of("ten", "24") == ""
    assert subnet_of("fd00::1", "64") == "fd00::/64"


@pytest.mark.parametrize(
    "row",
    ['name="a"\nprobe="p"\nfact="f"\ncolour="red"', 'name="a"', 'name="a"\nprobe="p"\nfact="f"\nfrom="boot"'],
    ids=["unknown key", "no source", "two sources"],
)
def test_a_bad_row_is_refused(row):
    with pytest.raises(UsageError, match="attribute a"):
        parse(f"[[attribute]]\n{row}\n")
