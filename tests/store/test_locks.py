"""Do the locks of a collector's connections last while its database is opened again in the same process?"""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from pe_collector import store

_TELL = """
import sys
from contextlib import closing
from pathlib import Path
from pe_collector import store
with closing(store.open_writer(Path(sys.argv[1]))) as connection:
    connection.execute("INSERT INTO told VALUES (?)", sys.argv[2:])
"""


def test_making_a_store_that_is_there_leaves_the_log_to_those_who_write_to_it(tmp_path: Path) -> None:
    path = store.create(tmp_path)
    log = path.with_name(f"{path.name}-wal")
    with closing(store.open_writer(path)) as mine:
        mine.execute("CREATE TABLE told (word TEXT)")
        store.create(tmp_path)
        before = log.stat().st_ino
        subprocess.run([sys.executable, "-c", _TELL, str(path), "theirs"], check=True, timeout=60)
        assert log.exists()
        assert log.stat().st_ino == before
        mine.execute("INSERT INTO told VALUES ('mine')")
        subprocess.run([sys.executable, "-c", _TELL, str(path), "theirs"], check=True, timeout=60)
        assert sorted(row[0] for row in mine.execute("SELECT word FROM told")) == ["mine", "theirs", "theirs"]
    with closing(store.open_reader(path)) as reader:
        assert reader.execute("SELECT count(*) FROM told").fetchone()[0] == 3


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    assert store.create(tmp_path).stat().st_mode & 0o077 == 0
