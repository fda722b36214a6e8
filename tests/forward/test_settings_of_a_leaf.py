"""A leaf that could never pass anything on says so when it starts, and names the file."""

import pytest
from pe_agent.errors import UsageError
from pe_collector.leaf.hubs import read_hubs

ADDRESSES = ("hub.example:7443",)
BUDGET = 1 << 30


@pytest.fixture
def ca(two_folders):
    return two_folders / "hub" / "ca.pem"


@pytest.fixture
def token(two_folders):
    return two_folders / "leaf" / "hub.token"


def test_what_init_and_tokens_new_wrote_is_taken(ca, token):
    hubs = read_hubs(ADDRESSES, str(ca), str(token), BUDGET)
    assert hubs.ca == ca.read_bytes()
    assert hubs.token == token.read_text().strip()


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_named(tmp_path, token, text):
    (tmp_path / "hub-ca.pem").write_text(text)
    with pytest.raises(UsageError, match=r"hub-ca\.pem: forward_ca holds no certificate.*copy ca\.pem from the hub"):
        read_hubs(ADDRESSES, str(tmp_path / "hub-ca.pem"), str(token), BUDGET)


@pytest.mark.parametrize("text", ["", "two words", "word", "-----BEGIN CERTIFICATE-----\nMAA=\n"])
def test_a_file_without_a_token_is_named(tmp_path, ca, text):
    (tmp_path / "hub.token").write_text(text)
    with pytest.raises(UsageError, match=r"hub\.token: forward_token_file holds no token; on the hub: .*--role leaf"):
        read_hubs(ADDRESSES, str(ca), str(tmp_path / "hub.token"), BUDGET)
