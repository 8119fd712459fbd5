"""The server's last log lines, for the editor's console."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

KEPT = 300
COLUMNS = 120


class Log(logging.Handler):
    """Keeps messages without their tracebacks. `heard` is called with each one."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[dict[str, str]] = deque(maxlen=KEPT)
        self._guard = threading.Lock()
        self.heard: Callable[[dict[str, object]], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = {"t": datetime.now(UTC).isoformat(), "m": record.getMessage() + "\n"}
        except (TypeError, ValueError):
            return
        with self._guard:
            self._lines.append(line)
        if self.heard is not None:
            self.heard({"entries": [line], "size": self.size})

    @property
    def size(self) -> dict[str, int]:
        return {"cols": COLUMNS, "rows": KEPT}

    def entries(self) -> list[dict[str, str]]:
        with self._guard:
            return list(self._lines)

    def text(self) -> str:
        return "".join(f"{line['t']} - {line['m']}" for line in self.entries())
