"""Flag before environment before file before default; what cannot be meant is refused before anything listens."""

import json

import pytest
from pe_agent.errors import UsageError
from pe_collector.settings import Settings, load


def test_a_flag_comes_before_the_environment_before_the_file_before_the_default(tmp_path):
    (tmp_path / "collector.toml").write_text('ingest = "127.0.0.1:1"\nupload = "127.0.0.1:2"\nops = "127.0.0.1:3"\n')
    environment = {"PE_COLLECTOR_INGEST": "127.0.0.1:11", "PE_COLLECTOR_UPLOAD": "127.0.0.1:12"}
    told = load(tmp_path, environment, {"ingest": "127.0.0.1:21", "ops": None})
    assert (told.ingest, told.upload, told.ops) == ("127.0.0.1:21", "127.0.0.1:12", "127.0.0.1:3")
    assert told.sessions == Settings().sessions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "unknown setting nonsense"),
        ('sessions = "many"', "a whole number"),
        ("sessions = 0", "above 0"),
        ("sessions = true", "a whole number"),
        ("plain = true", "loopback only"),
        ('ingest = "7443"', "HOST:PORT"),
        ('ops_local_role = "ingest"', "reader, operator, admin"),
        ('ops_user_header = "x-user"', "needs ops_proxies"),
        ('ops_proxies = ["proxy"]', "address or network"),
        ('ops_hosts = "one"', "list of texts"),
        ('certificate = "a.pem"', "go together"),
        ("= 1", "not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, said):
    (tmp_path / "collector.toml").write_text(text + "\n")
    with pytest.raises(UsageError, match=said):
        load(tmp_path, {})


@pytest.mark.parametrize(("name", "text"), [("SESSIONS", "many"), ("PLAIN", "perhaps"), ("IDLE_S", "soon")])
def test_a_variable_of_the_wrong_kind_is_refused_by_name(tmp_path, name, text):
    with pytest.raises(UsageError, match=f"PE_COLLECTOR_{name}"):
        load(tmp_path, {f"PE_COLLECTOR_{name}": text})


def test_files_named_in_the_file_lie_beside_it(tmp_path):
    (tmp_path / "collector.toml").write_text('certificate = "a.pem"\nkey = "/etc/a.key"\n')
    told = load(tmp_path, {})
    assert (told.certificate, told.key) == (str(tmp_path / "a.pem"), "/etc/a.key")


def test_check_config_says_where_each_value_comes_from(cli, tmp_path):
    (tmp_path / "collector.toml").write_text("sessions = 5\n")
    done = cli("check-config", "--format", "json", data=tmp_path)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["sessions"]["value"], rows["sessions"]["from"]) == (5, "collector.toml")
    assert rows["idle_s"]["from"] == "default"
    (tmp_path / "collector.toml").write_text("sessions = -5\n")
    assert cli("check-config", data=tmp_path).returncode == 2


def test_every_setting_is_documented():
    from dataclasses import fields
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    assert [field.name for field in fields(Settings) if f"`{field.name}`" not in page] == []
