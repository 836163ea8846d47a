"""A real Chromium, one context a user: each has its own storage, as a colleague's browser has."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

playwright_api = pytest.importorskip("playwright.async_api", reason="needs playwright")

from playwright.async_api import (  # noqa: E402
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

HERE = Path(__file__).parent
# What a reader of the page by ear or by keyboard needs; an abridged axe.
AUDIT = (HERE / "audit.js").read_text()
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
WAIT_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here: it needs a browser, and its first test waits for SynQ to start."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.timeout(240))


def _chromium() -> str:
    for name in (os.environ.get("SYNQ_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    if os.environ.get("CI"):
        pytest.fail("Chromium is missing, and CI is set")
    pytest.skip("needs Chromium (apt install chromium, or SYNQ_CHROMIUM=/path/to/it)")


# The editor's lines without the carets of others, which are drawn into them.
_TEXT = """[...document.querySelectorAll('.cm-line')].map(line => {
  const copy = line.cloneNode(true);
  copy.querySelectorAll('.peer-caret').forEach(caret => caret.remove());
  return copy.textContent;
}).join('\\n')"""


@dataclass
class User:
    """One person at one tab."""

    page: Page
    context: BrowserContext
    url: str
    # What the page complained about; a test that provokes complaints clears it.
    complaints: list[str] = field(default_factory=list)

    async def start(self, template: str, name: str = "") -> str:
        """Start a session from a template; return its address."""
        await self.page.goto(self.url)
        await self.page.get_by_label(template).check()
        if name:
            await self.page.get_by_label("Name", exact=True).fill(name)
        await self.page.get_by_role("button", name="Start session").click()
        await self.ready()
        return self.page.url

    async def open(self, address: str) -> None:
        """Open a session by its link."""
        await self.page.goto(address)
        await self.ready()

    async def ready(self) -> None:
        """Wait until the program is in the editor and the line is live."""
        await expect(self.page.locator('.editor[data-ready="true"]')).to_be_visible()
        await expect(self.page.locator('.connection-text[data-phase="live"]')).to_be_visible()

    async def saved(self) -> None:
        """Wait until everything typed is acknowledged."""
        await expect(self.page.locator(".connection-text")).to_have_text("Live · all changes saved")

    async def text(self) -> str:
        """Return the program as shown."""
        return str(await self.page.evaluate(_TEXT))

    async def type_at_end(self, text: str, line: int | None = None) -> None:
        """Type at the end of a line (from 1), or of the program."""
        if line is None:
            await self.page.locator(".cm-content").focus()
            await self.page.keyboard.press("Control+End")
        else:
            await self.page.locator(".cm-line").nth(line - 1).click()
            await self.page.keyboard.press("End")
        await self.page.keyboard.type(text, delay=15)

    async def shows(self, text: str) -> None:
        """Wait until the program has this text."""
        await self.page.wait_for_function(f"wanted => ({_TEXT}).includes(wanted)", arg=text)

    async def agrees_with(self, other: User) -> None:
        """Wait until both tabs show the same program, all of it saved."""
        await self.saved()
        await other.saved()
        for _ in range(100):
            mine, theirs = await self.text(), await other.text()
            if mine == theirs:
                return
            await self.page.wait_for_timeout(50)
        assert mine == theirs


@pytest.fixture(scope="session")
async def browser(app_url: str) -> AsyncIterator[Browser]:
    """One Chromium for all tests; it talks to loopback alone."""
    executable = _chromium()
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


NewUser = Callable[..., Awaitable[User]]


@pytest.fixture
async def new_user(browser: Browser, app_url: str) -> AsyncIterator[NewUser]:
    """Make users; afterwards none of their pages may have complained."""
    users: list[User] = []

    async def make(**options: Any) -> User:
        settings = {"viewport": {"width": 1600, "height": 1000}, "reduced_motion": "reduce"}
        context = await browser.new_context(**(settings | options))
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        user = User(page, context, app_url)

        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                user.complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: user.complaints.append(str(error)))
        users.append(user)
        return user

    yield make
    for user in users:
        await user.context.close()
    for user in users:
        assert user.complaints == []
