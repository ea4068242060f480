"""Rows 10 and 11 of the fault matrix: the box's files are deleted, put back from a backup, damaged.

Pass: numbers of the former life are never given to other events, nothing is overwritten on the
platform, a damaged bulk file costs bulk that says so and not one order, and a damaged main file
is refused with a sentence. The restored backup itself is `tests/system/test_restored.py`.
"""

import asyncio
import random
import subprocess
import sys

import msgspec
import pytest

from edge.records import Stream
from sync.ingest.log import read_log
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop, wait_for
from tests.system.sync_box import ROOT

PAGE_BYTES = 4096
SOME_PAGES = 50


async def test_row_10_a_deleted_outbox_begins_a_new_epoch_and_overwrites_nothing(tmp_path):
    with Shop(tmp_path, streams=()) as shop:
        shop.platform.start()
        epochs = []
        for _ in range(2):
            await asyncio.to_thread(shop.box.start)
            for stream in Stream:
                assert await asyncio.to_thread(shop.box.emit, stream, 30) == 30
            await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "drained")
            epochs.append(shop.box.ask("status")["epoch"])
            shop.box.kill()
            for path in (tmp_path / "state").glob("*.db*"):
                path.unlink()
        await asyncio.to_thread(shop.box.start)
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    assert_kept(examined)
    rows = read_log(shop.platform.log)
    assert [sum(row.epoch == epoch for row in rows) for epoch in epochs] == [90, 90]


@pytest.mark.parametrize(
    ("name", "alive"),
    [("bulk.db", False), ("bulk.db", True), ("bulk.db-wal", False)],
    ids=["file", "file-while-running", "log"],
)
async def test_row_11_a_damaged_bulk_file_costs_bulk_alone_and_says_so(tmp_path, name, alive):
    path = tmp_path / "state" / name
    with Shop(tmp_path, streams=()) as shop:
        await asyncio.to_thread(shop.box.start)
        while not path.exists() or path.stat().st_size < SOME_PAGES * PAGE_BYTES:
            assert await asyncio.to_thread(shop.box.emit, Stream.BULK, 500) == 500
            for stream in (Stream.CRIT, Stream.VISIT):
                assert await asyncio.to_thread(shop.box.emit, stream, 30) == 30
        # The log holds what moved into the file until it begins from the front again.
        assert await asyncio.to_thread(shop.box.emit, Stream.BULK, 500) == 500
        if not alive:
            shop.box.kill()
        damage(path, shop.rng)
        shop.platform.start()
        if not alive:
            await asyncio.to_thread(shop.box.start)
        assert await asyncio.to_thread(shop.box.emit, Stream.BULK, 10) == 10
        await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "drained")
        assert await asyncio.to_thread(shop.box.emit, Stream.BULK, 10) == 10
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    print(examined)
    assert_kept(examined)
    ((epoch, _), *_) = examined.accounts
    declared = {stream: examined.accounts[epoch, stream].declared for stream in Stream}
    assert declared[Stream.CRIT] == declared[Stream.VISIT] == 0
    assert declared[Stream.BULK] > 0
    assert examined.accounts[epoch, Stream.BULK].received >= 10, "it goes on"
    # A damaged log is just a shorter one, as after a power cut; a damaged file is put aside.
    kept = list((tmp_path / "state").glob("bulk.db.damaged-*"))
    assert bool(kept) is (name == "bulk.db"), "kept for a person to look at"


async def test_row_11_a_damaged_main_file_is_refused_with_a_sentence(tmp_path):
    with Shop(tmp_path, streams=()) as shop:
        await asyncio.to_thread(shop.box.start)
        for _ in range(5):
            assert await asyncio.to_thread(shop.box.emit, Stream.CRIT, 60) == 60
        await asyncio.to_thread(shop.box.ask, "status")
        shop.box.kill()
        state = tmp_path / "state"
        for path in state.glob("storebox.db*"):
            damage(path, shop.rng, share=1.0)
        before = {path.name: path.read_bytes() for path in state.glob("storebox.db*")}
        run = await asyncio.to_thread(started, shop.box)
    assert run.returncode != 0
    last = run.stderr.strip().splitlines()[-1]
    assert "cannot be read" in last, run.stderr
    assert "restore the backup" in last.lower()
    after = {path.name: path.read_bytes() for path in state.glob("storebox.db")}
    assert all(before[name] == content for name, content in after.items()), "kept for the expert"


def started(box):
    options = msgspec.json.encode(box.options)
    return subprocess.run(
        [sys.executable, "-m", "tests.system.chaos_box", options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )


def damage(path, rng: random.Random, *, share: float = 0.3) -> None:
    """Overwrite some of the pages, at least one, with noise."""
    with path.open("r+b") as file:
        pages = path.stat().st_size // PAGE_BYTES
        assert pages, f"{path.name} is empty"
        for page in rng.sample(range(pages), max(1, int(pages * share))):
            file.seek(page * PAGE_BYTES + rng.randrange(2000))
            file.write(rng.randbytes(64))
