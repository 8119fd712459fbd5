"""Results kept on disk between runs of the program.

One SQLite index (several processes may use it) with small results inside; large ones lie beside it in files named by
their checksum, written whole and then renamed. Everything read is checked; what does not match is forgotten, and the
node runs again. A store that cannot be used costs time, never a run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .blobs import Blobs, checksum
from .cache import Entry, Values

FORMAT = 1
INLINE = 32 * 1024
ROW_BYTES = 512
BATCH = 400
FLUSH_ROWS = 256
BUSY_SECONDS = 5.0
FLUSH_SECONDS = 1.0
TOUCH_SECONDS = 600.0
"""How exactly it is known when a result was last used: noting it is a write, and reading should not write."""
FAULTS = (sqlite3.Error, OSError, UnicodeError)
"""What a bad disk or a damaged index raises; UnicodeError comes from SQLite's own words about a garbled schema."""
CREATE = """
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY, meta BLOB NOT NULL, payload BLOB, sum BLOB NOT NULL, size INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID
"""
INDEXES = (
    "CREATE INDEX IF NOT EXISTS entry_used ON entry (used)",
    "CREATE INDEX IF NOT EXISTS entry_sum ON entry (sum)",
)


class Codec(Protocol):
    """How values become bytes. `name` changes with the format, so that old bytes are not misread."""

    name: str

    def encode(self, values: Values) -> bytes | None:
        """None: these values cannot be stored (a model, for example)."""
        ...

    def decode(self, data: bytes) -> Values: ...


class JsonCodec:
    """Stores what JSON carries exactly: numbers, strings, booleans, None, and lists and objects of them."""

    name = "json-1"

    def encode(self, values: Values) -> bytes | None:
        if not all(_plain(value) for output in values for value in output):
            return None
        return json.dumps(values, separators=(",", ":")).encode()

    def decode(self, data: bytes) -> Values:
        return tuple(json.loads(data))


def _plain(value: Any) -> bool:
    if value is None or type(value) in (bool, int, float, str):
        return True
    if type(value) is list:
        return all(map(_plain, value))
    return type(value) is dict and all(type(k) is str and _plain(v) for k, v in value.items())


@dataclass(frozen=True, slots=True)
class Record:
    """An entry found in the index; a large payload is still in its file."""

    key: bytes
    ui: Mapping[str, Any] | None
    files: tuple[str, ...]
    payload: bytes | None
    sum: bytes


class Store:
    """A bounded store of finished results in one folder, which other processes may use at the same time."""

    def __init__(self, folder: str | os.PathLike[str], codec: Codec, *, limit: int = 8 << 30) -> None:
        self._folder = Path(folder)
        self._blobs = Blobs(self._folder / "values")
        self._codec = codec
        self._limit = limit
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._known: set[bytes] = set()
        self._version = -1
        self._waiting: dict[bytes, tuple[Any, ...]] = {}
        self._touched: set[bytes] = set()
        self._flushed = time.monotonic()
        self._unweighed = limit
        self._troubles: list[str] = []

    # --- opening -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A run starts: see what other processes added. Opens the store when it is not open."""
        with self._lock:
            try:
                if self._db is None:
                    self._open()
                self._refresh()
            except FAULTS as error:
                self._broken(error)

    def _open(self) -> None:
        """Two processes that make the index at once get in each other's way in steps that do not wait by themselves."""
        self._folder.mkdir(parents=True, exist_ok=True)
        latest = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._db = self._connect()
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > latest:
                    raise
                time.sleep(0.01)
        self._version = -1

    def _connect(self) -> sqlite3.Connection:
        file = self._folder / "index.sqlite"
        db = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            (found,) = db.execute("PRAGMA user_version").fetchone()
            if found not in (0, FORMAT):
                db.execute("DROP TABLE IF EXISTS entry")
            db.execute(CREATE)
            for index in INDEXES:
                db.execute(index)
            if found != FORMAT:
                db.execute(f"PRAGMA user_version={FORMAT}")
        except BaseException:
            db.close()
            raise
        return db

    def _refresh(self) -> None:
        assert self._db is not None
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._known = {row[0] for row in self._db.execute("SELECT key FROM entry")}
            self._version = version

    def _broken(self, error: Exception) -> None:
        """The index itself cannot be used: say so; if its bytes are damaged, start a new one."""
        self._troubles.append(f"the result store in {self._folder} cannot be used: {error}")
        self._known.clear()
        self._waiting.clear()
        if self._db is not None:
            self._db.close()
            self._db = None
        if isinstance(error, sqlite3.OperationalError) or not isinstance(error, sqlite3.DatabaseError | UnicodeError):
            return
        try:
            for suffix in ("", "-wal", "-shm"):
                (self._folder / f"index.sqlite{suffix}").unlink(missing_ok=True)
            self._open()
        except FAULTS as again:
            self._troubles.append(f"the result store in {self._folder} could not be made anew: {again}")

    def troubles(self) -> list[str]:
        """What went wrong since the last call."""
        with self._lock:
            told, self._troubles = self._troubles, []
            return told

    # --- reading -------------------------------------------------------------------------------------------

    def fetch(self, keys: Iterable[bytes]) -> dict[bytes, Record]:
        """What the index has under these keys."""
        with self._lock:
            wanted = [key for key in keys if key in self._known]
            if not wanted:
                return {}
            if not self._waiting.keys().isdisjoint(wanted):
                self.flush()
            found: dict[bytes, Record] = {}
            try:
                for start in range(0, len(wanted), BATCH):
                    self._fetch(wanted[start : start + BATCH], found)
            except FAULTS as error:
                self._broken(error)
            return found

    def _fetch(self, keys: Sequence[bytes], found: dict[bytes, Record]) -> None:
        if self._db is None:
            return
        marks = ",".join("?" * len(keys))
        # `marks` is question marks only; the keys themselves are bound.
        query = f"SELECT key, meta, payload, sum, used FROM entry WHERE key IN ({marks})"
        old = time.time() - TOUCH_SECONDS
        for key, meta, payload, sum, used in self._db.execute(query, keys).fetchall():
            record = self._read(key, meta, payload, sum)
            if record is None:
                self.forget(key, "its bytes were changed")
                continue
            found[key] = record
            if type(used) is not float or used < old:
                self._touched.add(key)

    def _read(self, key: bytes, meta: Any, payload: Any, sum: Any) -> Record | None:
        if type(meta) is not bytes or (payload is not None and type(payload) is not bytes) or type(sum) is not bytes:
            return None
        if meta[:16] != checksum(key, meta[16:], sum) or (payload is not None and sum != checksum(payload)):
            return None
        codec, _, shown = meta[16:].partition(b"\0")
        if codec != self._codec.name.encode():
            return None
        ui, files = json.loads(shown) if shown else (None, ())
        return Record(key, ui, tuple(files), payload, sum)

    def load(self, record: Record) -> Entry | None:
        """The values of a record; None when they are damaged or gone, and then the record is forgotten."""
        data = record.payload
        if data is None:
            try:
                data = self._blobs.read(record.sum)
            except OSError:
                self.forget(record.key, "its file is gone")
                return None
            if checksum(data) != record.sum:
                self.forget(record.key, "its file was changed")
                return None
        try:
            values = self._codec.decode(data)
        except Exception as error:
            self.forget(record.key, f"it cannot be read: {error}")
            return None
        return Entry(values, record.ui, record.files)

    def forget(self, key: bytes, why: str) -> None:
        """Drop one entry; the node that made it runs again."""
        with self._lock:
            self._troubles.append(f"stored result {key.hex()[:12]} is not used: {why}")
            self._known.discard(key)
            if self._db is not None:
                try:
                    self._drop(self._db, [key])
                except FAULTS as error:
                    self._broken(error)

    # --- writing -------------------------------------------------------------------------------------------

    def put(self, key: bytes, entry: Entry) -> bool:
        """Keep one result, if it can be kept, instead of an older one. Written by `flush`, or after a second."""
        with self._lock:
            if self._db is None:
                return False
            try:
                data = self._codec.encode(entry.values)
                meta = None if data is None else _meta(self._codec.name, entry)
                if data is None or meta is None or len(data) > self._limit:
                    return False
                if key in self._known:
                    self._drop(self._db, [key])
                sum = checksum(data)
                if len(data) > INLINE:
                    self._blobs.write(sum, data)
            except FAULTS as error:
                self._troubles.append(f"a result could not be stored: {error}")
                return False
            size = len(data) + len(meta) + ROW_BYTES
            payload = data if len(data) <= INLINE else None
            self._waiting[key] = (key, checksum(key, meta, sum) + meta, payload, sum, size, time.time())
            self._known.add(key)
            self._unweighed += size
            late = time.monotonic() - self._flushed > FLUSH_SECONDS
            if late or len(self._waiting) >= FLUSH_ROWS:
                self.flush()
            return True

    def flush(self) -> None:
        """Write what waits and keep within the limit."""
        with self._lock:
            self._flushed = time.monotonic()
            if self._db is None or not (self._waiting or self._touched):
                return
            try:
                self._write_rows(self._db)
                self._evict(self._db)
            except FAULTS as error:
                self._broken(error)

    def close(self) -> None:
        with self._lock:
            self.flush()
            if self._db is not None:
                self._db.close()
                self._db = None

    def _write_rows(self, db: sqlite3.Connection) -> None:
        now = time.time()
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)", self._waiting.values())
            db.executemany("UPDATE entry SET used = ? WHERE key = ?", [(now, key) for key in self._touched])
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise
        self._waiting.clear()
        self._touched.clear()

    # --- keeping within the limit --------------------------------------------------------------------------

    def _evict(self, db: sqlite3.Connection) -> None:
        if self._unweighed < self._limit / 64:
            return  # weighing reads the whole index
        self._unweighed = 0
        (held,) = db.execute("SELECT COALESCE(SUM(size), 0) FROM entry").fetchone()
        if held <= self._limit:
            return
        gone: list[bytes] = []
        for key, size in db.execute("SELECT key, size FROM entry ORDER BY used"):
            gone.append(key)
            held -= size
            if held <= self._limit * 0.9:
                break
        self._drop(db, gone)
        self._known.difference_update(gone)
        self._blobs.sweep(lambda sum: self._referenced(db, sum))

    def _referenced(self, db: sqlite3.Connection, sum: bytes) -> bool:
        return db.execute("SELECT 1 FROM entry WHERE sum = ? LIMIT 1", (sum,)).fetchone() is not None

    def _drop(self, db: sqlite3.Connection, keys: Iterable[bytes]) -> None:
        for key in keys:
            row = db.execute("SELECT sum, payload IS NULL FROM entry WHERE key = ?", (key,)).fetchone()
            db.execute("DELETE FROM entry WHERE key = ?", (key,))
            if row is None or not row[1] or type(row[0]) is not bytes:
                continue
            if not self._referenced(db, row[0]):
                self._blobs.remove(row[0])


def _meta(codec: str, entry: Entry) -> bytes | None:
    """What is known without the payload; None when the ui is nothing that JSON carries."""
    ui = None if entry.ui is None else dict(entry.ui)
    if ui is not None and not _plain(ui):
        try:
            ui = json.loads(json.dumps(ui))
        except (TypeError, ValueError):
            return None
    shown = "" if ui is None and not entry.files else json.dumps([ui, list(entry.files)])
    return f"{codec}\0{shown}".encode()
