"""Settings come by flag, environment, file, default, in this order; nonsense is named."""

import pytest
from pe_agent import settings
from pe_agent.errors import UsageError


def write(tmp_path, text):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return str(path)


def test_a_flag_beats_the_environment_and_that_beats_the_file(tmp_path):
    config = write(tmp_path, 'collector = ["file:1"]\nserver = "wds-of-file"\ntimeout_s = 5\n')
    environment = {"PE_AGENT_COLLECTOR": "env:1,env:2", "PE_AGENT_TIMEOUT_S": "7.5"}
    told = settings.load({"timeout_s": 9.0, "collector": ()}, environment, config)
    assert told.timeout_s == 9.0
    assert told.collector == ("env:1", "env:2")
    assert told.configured_server == "wds-of-file"
    assert told.server == ""


def test_files_named_in_the_config_are_found_beside_it(tmp_path):
    config = write(tmp_path, 'ca = "ca.pem"\n')
    assert settings.load({}, {}, config).ca == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colector = 'x'\n", "unknown setting colector"),
        ("rpc_port = 'many'\n", "rpc_port = 'many'"),
        ("rpc_port = \n", "not TOML"),
        ("timeout_s = true\n", "timeout_s = True"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        settings.load({}, {}, write(tmp_path, text))


def test_a_variable_that_is_no_number_is_refused_by_name():
    with pytest.raises(UsageError, match="PE_AGENT_RPC_PORT"):
        settings.load({}, {"PE_AGENT_RPC_PORT": "fifty"}, "")


def test_an_empty_token_file_says_what_to_put_there(tmp_path):
    path = tmp_path / "token"
    path.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        settings.token_of(settings.Settings(token_file=str(path)))
