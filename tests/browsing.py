"""A real browser for tests: Debian's Chromium, driven by Playwright, with a fresh profile."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser that the set-up installs."""
    found = shutil.which("chromium")
    assert found, "the browser is missing: run `make setup`"
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=found, args=list(CHROMIUM_FLAGS))
        yield opened
        await opened.close()
