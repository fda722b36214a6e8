"""What names no store is refused; the folder's own file is never asked in its place."""

import pytest
from pe_agent.errors import UsageError
from pe_collector.store.where import FILE_NAME, SQLITE, VARIABLE, Place, parse_store, place_of


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("setting", ["store = 5", "store = ['sqlite:///x']", "store = true", "store = 'x'"])
def test_a_setting_that_is_no_store_is_refused(tmp_path, setting):
    (tmp_path / "collector.toml").write_text(setting)
    with pytest.raises(UsageError, match=r"it looks like sqlite:///PATH"):
        place_of(tmp_path / FILE_NAME)


@pytest.mark.parametrize("setting", ["", "store = ''", "look_every_s = 5.0"])
def test_where_none_is_named_it_is_the_file_of_the_folder(tmp_path, setting):
    (tmp_path / "collector.toml").write_text(setting)
    assert place_of(tmp_path / FILE_NAME) == Place(SQLITE, str(tmp_path / FILE_NAME))


@pytest.mark.parametrize("text", ["", "x", "mysql://a", "sqlite://x", "sqlite:///", "postgresql:x"])
def test_what_is_no_address_of_a_store_is_refused(text):
    with pytest.raises(UsageError, match="is no store"):
        parse_store(text)
