#!/usr/bin/env python3
"""What pages of 2 KiB cost and save beside those of 4 KiB in an SQLite file: what edits write, by statements like an append's, in pairs that
alternate. Bytes are what is written to the log and, when that is full, to the file. Run it anywhere: python3 scripts/page-size.py
"""

import os
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

MIGRATIONS = sorted((Path(__file__).parent.parent / "migrations" / "sqlite").glob("*.sql"))
PAIRS = 3
NOW_MS = 1_700_000_000_000
# Rooms, edits of each in a commit, commits.
LOADS = [(1, 1, 2_000), (1, 64, 300), (50, 1, 200), (100, 1, 100)]


def written():
    """Bytes that this process has written."""
    with open("/proc/self/io", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def cpu_s():
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


def insert(file, room, seq):
    sql = "insert or fail into entry (room_id, seq, kind, author, at, body) values (?, ?, 1, 'alice', ?, ?)"
    file.execute(sql, (room, seq, NOW_MS + seq, os.urandom(24)))


def measure(page_bytes, rooms, each, commits):
    """Bytes written and CPU time for each edit."""
    with tempfile.TemporaryDirectory() as folder:
        file = sqlite3.connect(f"{folder}/tutti.db", isolation_level=None)
        for pragma in [f"page_size = {page_bytes}", "auto_vacuum = 2", "journal_mode = wal", "synchronous = full"]:
            file.execute(f"pragma {pragma}")
        for migration in MIGRATIONS:
            file.executescript(migration.read_text())
        heads = {room: 300 for room in range(1, rooms + 1)}
        file.execute("begin")
        for room, head in heads.items():
            file.execute("insert into room (id, name, last_at, created_at) values (?, ?, 0, 0)", (room, f"room{room}"))
            for seq in range(1, head + 1):
                insert(file, room, seq)
        file.execute("commit")
        file.execute("pragma wal_checkpoint(truncate)")
        bytes_before, cpu_before = written(), cpu_s()
        for _ in range(commits):
            file.execute("begin immediate")
            for room in heads:
                first = heads[room] + 1
                heads[room] += each
                for seq in range(first, heads[room] + 1):
                    insert(file, room, seq)
                file.execute("update room set head = ?, last_at = ? where id = ?", (heads[room], NOW_MS, room))
                sql = "insert or replace into last_append (server, room_id, at, append_id, first_seq) values ('s', ?, ?, ?, ?)"
                file.execute(sql, (room, NOW_MS, os.urandom(16), first))
            file.execute("commit")
        edits = rooms * each * commits
        told = (written() - bytes_before) / edits, (cpu_s() - cpu_before) / edits
        file.close()
        return told


for load in LOADS:
    pairs = [(measure(4096, *load), measure(2048, *load)) for _ in range(PAIRS)]
    large, small = ([median(pair[of][what] for pair in pairs) for what in (0, 1)] for of in (0, 1))
    ratios = [median(pair[1][what] / pair[0][what] for pair in pairs) for what in (0, 1)]
    print(
        f"{load[0]} rooms, {load[1]} edits of each in a commit: 4 KiB {large[0]:.0f} bytes an edit, 2 KiB {small[0]:.0f}: "
        f"{ratios[0]:.2f} times; CPU time {large[1] * 1e6:.1f} and {small[1] * 1e6:.1f} µs: {ratios[1]:.2f} times",
        flush=True,
    )
