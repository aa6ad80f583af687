"""What clients did to a server and what they were told, kept outside it: the oracle of every crash layer.

A writer owns its keys, sends its operations in one order under one retry name, and remembers of each whether it was
acknowledged, refused, or is unknown. The log keeps that order, so after any crash a writer's rows must be what some
prefix of its operations left, and the prefix must hold everything acknowledged. Every row names its writer, batch and
place in the batch, and the rest of it follows from the seed: a row that nobody wrote gives itself away.
"""

from __future__ import annotations

import json
import random
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

DIMENSIONS = 16
KEYS_PER_WRITER = 150
# What 'async' may lose: longbow.async_window_bytes.
ASYNC_WINDOW_BYTES = 64 << 10
VECTOR = pa.list_(pa.float32(), DIMENSIONS)


class Violation(AssertionError):
    """A broken promise."""


@dataclass(frozen=True)
class Kind:
    """A dataset and how its rows are keyed."""

    name: str
    key: pa.DataType | None  # None: the server draws keys
    durability: str

    def schema(self) -> pa.Schema:
        columns = [("writer", pa.int32()), ("batch", pa.int64()), ("row", pa.int32()), ("text", pa.utf8()), ("vector", VECTOR)]
        if self.key is not None:
            columns.insert(0, ("id", self.key))
        window = {"longbow.async_window_bytes": str(ASYNC_WINDOW_BYTES)} if self.durability == "async" else {}
        return pa.schema(columns, metadata={"longbow.durability": self.durability, **window})


KINDS = (
    Kind("ints", pa.int64(), "fsync"),
    Kind("drawn", None, "fsync"),
    Kind("words", pa.utf8(), "fsync"),
    Kind("later", pa.int64(), "async"),
)


@dataclass
class Operation:
    """A batch of rows, or a deletion. `keys` are numbers below KEYS_PER_WRITER."""

    number: int
    keys: list[int]
    delete: bool = False
    state: str = "unknown"  # acked, refused
    acked_at: float = 0.0
    bytes: int = 0


def content(seed: int, writer: int, kind: Kind, op: Operation) -> pa.RecordBatch:
    """The rows of a batch: a function of its arguments."""
    rng = np.random.default_rng((seed, writer, op.number))
    n = len(op.keys)
    vectors = rng.standard_normal((n, DIMENSIONS), dtype=np.float32)
    longest = 4000 if op.number % 37 == 0 else 120
    texts = [("x%d-" % rng.integers(1 << 30)) * int(k) for k in rng.integers(0, longest // 8, n)]
    columns = {
        "writer": pa.array([writer] * n, pa.int32()),
        "batch": pa.array([op.number] * n, pa.int64()),
        "row": pa.array(range(n), pa.int32()),
        "text": pa.array(texts, pa.utf8()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=VECTOR),
    }
    if kind.key is not None:
        columns["id"] = pa.array([key_of(kind, writer, key) for key in op.keys], kind.key)
    return pa.record_batch([columns[name] for name in kind.schema().names], schema=kind.schema())


def key_of(kind: Kind, writer: int, key: int) -> int | str:
    number = writer * 1_000_000 + key
    return f"key-{number}" if kind.key == pa.utf8() else number


def error_code(error: BaseException) -> str:
    from longbow.errors import translate

    return translate(error).code if isinstance(error, (pa.ArrowException, OSError)) else "Unknown"


class Connection:
    """Flight calls with the server's token. Confined to a thread."""

    def __init__(self, port: int, token: str) -> None:
        self.client = flight.connect(f"grpc://127.0.0.1:{port}")
        self.options = flight.FlightCallOptions(timeout=60.0, headers=[(b"authorization", f"Bearer {token}".encode())])

    def close(self) -> None:
        self.client.close()

    def rows(self, dataset: str) -> pa.Table | None:
        """Everything stored, or None when there is no such dataset."""
        try:
            return self.client.do_get(flight.Ticket(dataset), self.options).read_all()
        except (pa.ArrowException, OSError) as error:
            if error_code(error) == "NotFound":
                return None
            raise

    def count(self, dataset: str, writer: int) -> int:
        ticket = {"name": dataset, "columns": ["writer"], "filters": [{"field": "writer", "op": "=", "value": writer}]}
        return self.client.do_get(flight.Ticket(json.dumps(ticket)), self.options).read_all().num_rows

    def nearest(self, dataset: str, vector: list[float]) -> dict[str, Any]:
        search = {"dataset": dataset, "vector": vector, "k": 1, "columns": ["writer", "batch", "row"]}
        hits = self.client.do_get(flight.Ticket(json.dumps({"search": search})), self.options).read_all().to_pylist()
        return hits[0] if hits else {}

    def delete(self, dataset: str, keys: list[int | str]) -> None:
        body = json.dumps({"dataset": dataset, "ids": keys}).encode()
        list(self.client.do_action(flight.Action("delete", body), self.options))


@dataclass
class Writer:
    """One client's history. Confined to one thread at a time."""

    seed: int
    number: int
    kind: Kind
    history: list[Operation] = field(default_factory=list)
    rng: random.Random = field(init=False)
    trouble: list[str] = field(default_factory=list)
    ambiguous: bool = False  # the last judgement: several prefixes leave the same rows

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed * 1000 + self.number)

    @property
    def first_unknown(self) -> int:
        """Where the tail begins that holds no acknowledged operation."""
        return 1 + max((i for i, op in enumerate(self.history) if op.state == "acked"), default=-1)

    # ---- writing ----

    def draw(self) -> Operation:
        number = len(self.history) + 1
        recent = sorted({key for op in self.history[-8:] if not op.delete for key in op.keys})
        if self.kind.key is not None and recent and self.rng.random() < 0.15:
            return Operation(number, self.rng.sample(recent, min(len(recent), 5)), delete=True)
        count = self.rng.randint(1, 30)
        return Operation(number, self.rng.sample(range(KEYS_PER_WRITER), count))

    def write(self, connection: Connection, stop: Callable[[], bool]) -> None:
        """Operations until `stop`, or until the server is gone."""
        try:
            while not stop():
                burst = [self._issue() for _ in range(self.rng.randint(1, 6))]
                self.send(connection, burst, patient=self.rng.random() < 0.3)
        except (pa.ArrowException, OSError):
            pass  # the crash; what is not acknowledged stays unknown

    def _issue(self) -> Operation:
        op = self.draw()
        self.history.append(op)
        return op

    def send(self, connection: Connection, operations: list[Operation], patient: bool = False) -> None:
        """In order, consecutive batches on one stream. `patient` waits for each acknowledgement."""
        batches: list[Operation] = []
        for op in operations:
            if not op.delete:
                batches.append(op)
                continue
            self._put(connection, batches, patient)
            batches = []
            self._delete(connection, op)
        self._put(connection, batches, patient)

    def _delete(self, connection: Connection, op: Operation) -> None:
        try:
            connection.delete(self.kind.name, [key_of(self.kind, self.number, key) for key in op.keys])
            self._acknowledge(op)
        except (pa.ArrowException, OSError) as error:
            # The rows of a batch that was refused are not there to be deleted.
            if not self._refuse(op, error_code(error)):
                raise

    def _put(self, connection: Connection, batches: list[Operation], patient: bool) -> None:
        if not batches:
            return
        descriptor = flight.FlightDescriptor.for_path(self.kind.name)
        writer, reader = connection.client.do_put(descriptor, self.kind.schema(), connection.options)
        opening = {"protocol": 1, "client": f"writer-{self.seed}-{self.number}", "stream": "only"}
        pending = {op.number: op for op in batches}
        previous = batches[0].number - 1
        rows = 0
        for op in batches:
            if op.number != previous + 1:  # numbers on a stream have no gaps
                return self._close_and_go_on(connection, writer, reader, pending, previous, rows, batches, patient)
            data = content(self.seed, self.number, self.kind, op)
            op.bytes = data.nbytes
            writer.write_with_metadata(data, json.dumps({**opening, "seq": op.number, "rows": data.num_rows}).encode())
            opening, previous, rows = {}, op.number, rows + data.num_rows
            while patient and op.number in pending:
                if not self._read(reader, pending):
                    break
        self._finish(writer, reader, pending, previous, rows)

    def _close_and_go_on(self, connection: Connection, writer: Any, reader: Any, pending: dict[int, Operation],
                         previous: int, rows: int, batches: list[Operation], patient: bool) -> None:  # fmt: skip
        rest = [op for op in batches if op.number > previous]
        for op in rest:
            del pending[op.number]
        self._finish(writer, reader, pending, previous, rows)
        self._put(connection, rest, patient)

    def _finish(self, writer: Any, reader: Any, pending: dict[int, Operation], last: int, rows: int) -> None:
        writer.write_metadata(json.dumps({"fin": True, "seq": last, "rows": rows}).encode())
        writer.done_writing()
        while self._read(reader, pending):
            pass
        writer.close()

    def _read(self, reader: Any, pending: dict[int, Operation]) -> bool:
        buffer = reader.read()
        if buffer is None:
            return False
        answer = json.loads(buffer.to_pybytes())
        if answer["level"] != self.kind.durability:
            self.trouble.append(f"an acknowledgement names level {answer['level']}, the dataset has {self.kind.durability}")
        for item in answer["errors"]:
            op = pending.pop(item["seq"], None)
            if op is not None and not self._refuse(op, item["code"]):
                self.trouble.append(f"batch {op.number} was answered with {item['code']}: {item['text']}")
        for number in [n for n in pending if n <= answer["acked_through"]]:
            self._acknowledge(pending.pop(number))
        return True

    def _acknowledge(self, op: Operation) -> None:
        op.state = "acked"
        op.acked_at = time.monotonic()

    def _refuse(self, op: Operation, code: str) -> bool:
        """Whether `code` is one that a sound server in trouble may answer with. Unavailable leaves the outcome open."""
        if code in ("ResourceExhausted", "NotFound"):
            op.state = "refused"
        return code in ("ResourceExhausted", "NotFound", "Unavailable", "Cancelled")

    # ---- checking ----

    def state(self, prefix: int) -> dict[Any, tuple[int, int]]:
        """Key -> (batch, row) after the first `prefix` operations; drawn keys are (batch, row) themselves."""
        rows: dict[Any, tuple[int, int]] = {}
        for op in self.history[:prefix]:
            self._apply(rows, op)
        return rows

    def _apply(self, rows: dict[Any, tuple[int, int]], op: Operation) -> None:
        if op.state == "refused":
            return
        for place, key in enumerate(op.keys):
            if op.delete:
                rows.pop(key, None)
            else:
                rows[(op.number, place) if self.kind.key is None else key] = (op.number, place)

    def judge(self, seen: dict[Any, tuple[int, int]]) -> int:
        """The prefix that `seen` is the state of. Violation when there is none that holds everything acknowledged."""
        if self.trouble:
            raise Violation(f"{self}: {self.trouble[0]}")
        required = self.first_unknown
        least = required if self.kind.durability == "fsync" else 0
        rows = self.state(least)
        matches = [least] if rows == seen else []
        for prefix in range(least, len(self.history)):
            self._apply(rows, self.history[prefix])
            if rows == seen:
                matches.append(prefix + 1)
        if not matches:
            raise Violation(self._difference(seen, required))
        best = matches[-1]
        self.ambiguous = len(matches) > 1
        lost = sum(op.bytes for op in self.history[best:required] if op.state == "acked")
        if lost > ASYNC_WINDOW_BYTES:
            raise Violation(f"{self}: {lost} acknowledged bytes lost, the window is {ASYNC_WINDOW_BYTES}")
        return best

    def _difference(self, seen: dict[Any, tuple[int, int]], required: int) -> str:
        """Against the prefix that comes nearest, which tells most."""

        def against(prefix: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
            expected = self.state(prefix)
            return ({k: v for k, v in expected.items() if seen.get(k) != v}, {k: v for k, v in seen.items() if expected.get(k) != v})

        nearest = min(range(max(0, required - 20), len(self.history) + 1), key=lambda p: sum(map(len, against(p))))
        lost, extra = against(nearest)
        near = [(op.number, "delete" if op.delete else "put", op.state) for op in self.history[max(0, nearest - 4) : nearest + 4]]
        return (
            f"{self}: no prefix of its {len(self.history)} operations that holds the first {required} (acknowledged) leaves these rows; "
            f"against the first {nearest}, {len(lost)} are missing or other, e.g. {dict(list(lost.items())[:5])}, "
            f"{len(extra)} are there instead or besides, e.g. {dict(list(extra.items())[:5])} (key: (batch, row)); around there: {near}"
        )

    def __str__(self) -> str:
        return f"writer {self.number} of dataset {self.kind.name} (seed {self.seed})"


class Workload:
    """Several writers at a time against one server, and the judgement after a crash. Guarded by its threads' ends."""

    def __init__(self, seed: int, writers: int = 6) -> None:
        self.seed = seed
        self.writers = [Writer(seed, number, KINDS[number % len(KINDS)]) for number in range(writers)]
        self.retried = 0
        self._power_went_at = float("inf")

    def power_went_at(self, moment: float) -> None:
        """Acknowledgements that arrive later are not held against the server."""
        self._power_went_at = moment

    def acked(self) -> tuple[int, int]:
        """Acknowledged operations, and rows in them."""
        ops = [op for w in self.writers for op in w.history if op.state == "acked"]
        return len(ops), sum(len(op.keys) for op in ops)

    def run(self, port: int, token: str, until: Callable[[], None]) -> None:
        """Writes in several threads while `until` runs; when that returns, or the server is gone, the writing ends."""
        stop = threading.Event()

        def work(writer: Writer) -> None:
            connection = Connection(port, token)
            writer.write(connection, stop.is_set)
            connection.close()

        threads = [threading.Thread(target=work, args=(writer,), daemon=True) for writer in self.writers]
        for thread in threads:
            thread.start()
        try:
            until()
        finally:
            stop.set()
            for thread in threads:
                thread.join(90)
        if any(thread.is_alive() for thread in threads):
            raise Violation("a client hangs though the server is gone")

    def check(self, connection: Connection) -> None:
        """Holds everything the server has against the ledger."""
        for op in (op for w in self.writers for op in w.history if op.acked_at > self._power_went_at):
            op.state, op.acked_at = "unknown", 0.0
        self._power_went_at = float("inf")
        for kind in KINDS:
            table = connection.rows(kind.name)
            mine = [w for w in self.writers if w.kind is kind]
            seen = self._read(kind, table, {w.number: w for w in mine})
            for writer in mine:
                prefix = writer.judge(seen[writer.number])
                for op in writer.history[prefix:]:
                    if op.state == "acked":
                        op.state = "unknown"  # of 'async', inside the window
                for op in writer.history[:prefix]:
                    # Had its effect: a deletion, which has no retry name, must not have it again. Where it may as
                    # well have had none that is left, a put must not have it now, without the deletion behind it.
                    if op.state == "unknown" and (op.delete or writer.ambiguous):
                        op.state = "acked"
            if table is not None and table.num_rows:
                self._check_reads(connection, kind, table, mine, seen)

    def _read(self, kind: Kind, table: pa.Table | None, writers: dict[int, Writer]) -> dict[int, dict[Any, tuple[int, int]]]:
        """(writer -> key -> (batch, row)) of a dataset. Violation for rows nobody wrote, rows twice, wrong bytes."""
        seen: dict[int, dict[Any, tuple[int, int]]] = {number: {} for number in writers}
        if table is None:
            return seen
        sent: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for row in table.to_pylist():
            writer, batch, place = row["writer"], row["batch"], row["row"]
            who = f"row {place} of batch {batch} of writer {writer} in dataset {kind.name} (seed {self.seed})"
            if writer not in writers or not 1 <= batch <= len(writers[writer].history):
                raise Violation(f"{who}: nobody wrote it")
            if (writer, batch) not in sent:
                op = writers[writer].history[batch - 1]
                sent[writer, batch] = [] if op.delete else content(self.seed, writer, kind, op).to_pylist()
            rows = sent[writer, batch]
            if place >= len(rows):
                raise Violation(f"{who}: nobody wrote it")
            if kind.key is None:
                row = {name: value for name, value in row.items() if name != "id"}
            if row != rows[place]:
                raise Violation(f"{who}: its bytes are not what was written: {row} instead of {rows[place]}")
            key = (batch, place) if kind.key is None else writers[writer].history[batch - 1].keys[place]
            if key in seen[writer]:
                raise Violation(f"{who}: there are two rows of it or of its key")
            seen[writer][key] = (batch, place)
        return seen

    def _check_reads(self, connection: Connection, kind: Kind, table: pa.Table, writers: list[Writer],
                     seen: dict[int, dict[Any, tuple[int, int]]]) -> None:  # fmt: skip
        """A filter counts what a scan found, and a search for a row's vector finds the row."""
        for writer in writers:
            counted = connection.count(kind.name, writer.number)
            if counted != len(seen[writer.number]):
                raise Violation(f"{writer}: a filter finds {counted} rows, a scan {len(seen[writer.number])}")
        rng = random.Random(zlib.crc32(kind.name.encode()) + table.num_rows)
        for place in rng.sample(range(table.num_rows), min(4, table.num_rows)):
            row = table.slice(place, 1).to_pylist()[0]
            hit = connection.nearest(kind.name, row["vector"])
            if any(hit.get(name) != row[name] for name in ("writer", "batch", "row")):
                raise Violation(f"dataset {kind.name}: a search for the vector of {row} finds {hit} (seed {self.seed})")

    def settle(self, connection: Connection) -> None:
        """Sends again what is unknown, and now and then what is not, under the same retry names."""
        for writer in self.writers:
            unknown = [op for op in writer.history if op.state == "unknown"]
            first = unknown[0].number if unknown else 0
            # A deletion that had its effect must not have it again, on rows that were put behind it.
            again = [op for op in writer.history if op.number >= first and op.state != "refused"] if unknown else []
            again = [op for op in again if not (op.delete and op.state == "acked")]
            acked = [op for op in writer.history[-3:] if op.state == "acked" and not op.delete]
            if not unknown and acked and self._untouched_since(writer, acked[0]):
                again = acked
            self.retried += len(again)
            writer.send(connection, again)
            left = [op.number for op in again if op.state == "unknown"]
            if left:
                raise Violation(f"{writer}: operations {left} stay without answer though the server is sound")

    @staticmethod
    def _untouched_since(writer: Writer, first: Operation) -> bool:
        """Batches sent again have no effect, but only the newest 1,024 are known as such."""
        return len(writer.history) - first.number < 100
