"""What a team does with one program: undo, comments, its history, who may do what."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.conftest import Running
from tests.e2e.conftest import AUDIT, NewUser, User

API = "/api/v1/collaboration"


async def say(page: Page, label: str, text: str) -> None:
    """Write into the composer of this name and send it by keyboard."""
    await page.get_by_label(label, exact=True).last.fill(text)
    await page.keyboard.press("Control+Enter")


async def comment_on_line(user: User, line: int, text: str) -> None:
    await user.page.locator(".cm-line").nth(line - 1).click()
    await user.page.keyboard.press("Control+Alt+m")
    # Ready to be written into at once.
    await expect(user.page.get_by_role("textbox", name="New comment")).to_be_focused()
    await user.page.keyboard.type(text)
    await user.page.keyboard.press("Control+Enter")


# --- undo ----------------------------------------------------------------------------------------


async def test_undo_takes_back_ones_own_words_only(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await bob.open(await ada.start("Bell pair"))
    before = await ada.text()
    await ada.type_at_end("// from Ada", line=4)
    await ada.saved()
    await bob.type_at_end("// from Bob", line=5)
    await ada.shows("// from Bob")

    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.press("Control+z")
    await ada.page.wait_for_function("() => !document.body.innerText.includes('from Ada')")
    await bob.agrees_with(ada)
    assert await ada.text() == before.replace("bit[2] c;", "bit[2] c;// from Bob")

    await ada.page.keyboard.press("Control+Shift+Z")
    await bob.shows("// from Ada")
    # What is typed while the undo is under way stays.
    await ada.page.get_by_role("button", name="Undo").click()
    await ada.type_at_end("x", line=10)
    await bob.agrees_with(ada)
    assert "from Ada" not in await ada.text()


async def test_undo_reaches_over_a_reload(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("Bell pair")
    undo = ada.page.get_by_role("button", name="Undo")
    await expect(undo).to_be_disabled()
    before = await ada.text()
    await ada.type_at_end("// one", line=4)
    await ada.page.wait_for_timeout(700)
    await ada.page.keyboard.type(" two", delay=15)
    await ada.saved()
    await ada.page.reload()
    await ada.ready()
    await expect(undo).to_be_enabled()
    await undo.click()
    await ada.page.wait_for_function("() => !document.body.innerText.includes('two')")
    await ada.shows("// one")
    await undo.click()
    await expect(undo).to_be_disabled()
    await ada.saved()
    assert await ada.text() == before
    await expect(ada.page.get_by_role("button", name="Redo")).to_be_enabled()


# --- comments ------------------------------------------------------------------------------------


async def test_a_thread_from_question_to_answer(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await bob.open(await ada.start("Bell pair"))
    line = ada.page.locator(".cm-line").nth(7)
    await line.click()
    await ada.page.keyboard.press("Home")
    await ada.page.keyboard.press("Shift+End")
    await ada.page.keyboard.press("Control+Alt+m")
    await say(ada.page, "New comment", "<b>Why</b> first?")

    # Bob is told, sees where, and answers. What was written is shown, not run.
    await expect(bob.page.get_by_role("button", name="Comments, 1 unread")).to_be_visible()
    await expect(bob.page.locator(".thread-marker.unread")).to_have_count(1)
    await bob.page.locator(".thread-marker").click()
    thread = bob.page.locator(".thread")
    await expect(thread.locator(".comment-text")).to_have_text("<b>Why</b> first?")
    await expect(thread.locator("b")).to_have_count(0)
    await expect(thread.locator(".quote")).to_have_text("h q[0];")
    await thread.get_by_role("button", name="Reply").click()
    await say(bob.page, "Reply", "Because.")

    # Lines above push the place down, for both.
    await bob.type_at_end("\n", line=3)
    for user in (ada, bob):
        await expect(user.page.locator(".thread button.thread-where")).to_have_text("In line 9")
        await expect(user.page.locator(".commented")).to_have_text("h q[0];")
    replies = ada.page.locator(".thread .comment-text")
    await expect(replies).to_have_text(["<b>Why</b> first?", "Because."])

    # One's own words can be changed, and nobody else's.
    mine = bob.page.locator(".comment", has_text="Because.")
    await mine.get_by_role("button", name="Edit").click()
    await say(bob.page, "Edit comment", "Because it entangles.")
    await expect(replies.nth(1)).to_have_text("Because it entangles.")
    await expect(
        bob.page.locator(".comment", has_text="Why").get_by_role("button", name="Edit")
    ).to_have_count(0)

    await ada.page.get_by_role("button", name="Resolve").click()
    await expect(bob.page.get_by_text("1 resolved thread")).to_be_visible()
    await expect(bob.page.locator(".commented")).to_have_count(0)
    await bob.page.get_by_text("1 resolved thread").click()
    await bob.page.get_by_role("button", name="Reopen").click()
    await expect(ada.page.locator(".commented")).to_have_count(1)

    # Its text goes: the thread stays, with the words it was about; undo brings both back.
    await ada.page.locator(".cm-line").nth(8).click(click_count=3)
    await ada.page.keyboard.press("Delete")
    for user in (ada, bob):
        orphan = user.page.locator(".thread.orphaned")
        await expect(orphan).to_contain_text("h q[0];")
        await expect(user.page.get_by_text("About what is gone")).to_be_visible()
    await ada.page.keyboard.press("Control+z")
    for user in (ada, bob):
        await expect(user.page.locator(".thread.orphaned")).to_have_count(0)
        await expect(user.page.locator(".commented")).to_have_text("h q[0];")

    await bob.page.get_by_role("button", name=re.compile("^Delete the comment")).click()
    await expect(replies.nth(1)).to_have_text("Deleted")


async def test_a_comment_on_a_line_survives_a_reload(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("GHZ-4")
    await comment_on_line(ada, 7, "start here")
    await expect(ada.page.locator(".thread")).to_have_count(1)
    await ada.type_at_end("\n// more", line=2)
    await ada.saved()
    await ada.page.reload()
    await ada.ready()
    await expect(ada.page.locator(".cm-line.commented")).to_have_text("h q[0];")
    await ada.page.get_by_role("button", name="Comments").click()
    await expect(ada.page.locator(".thread-where")).to_have_text("Line 8")


# --- history -------------------------------------------------------------------------------------


async def test_an_earlier_version_is_seen_compared_and_restored(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await bob.open(await ada.start("Bell pair"))
    first = await ada.text()
    await ada.type_at_end("// Ada was here", line=4)
    await ada.saved()
    await bob.type_at_end("// and Bob", line=5)
    await bob.agrees_with(ada)
    last = await ada.text()

    await ada.page.get_by_role("button", name="History").click()
    chapters = ada.page.locator(".chapter")
    await expect(chapters).to_have_count(3)
    await expect(chapters.nth(0)).to_contain_text("edit")
    await chapters.nth(1).click()
    past = ada.page.locator(".revision-editor .cm-content")
    await expect(past.locator(".cm-changedText")).to_contain_text("// and Bob")
    await ada.page.get_by_role("button", name="As it was", exact=True).click()
    await expect(past).to_contain_text("// Ada was here")
    await expect(past).not_to_contain_text("// and Bob")
    # To look is not to touch.
    await past.click()
    await ada.page.keyboard.type("nothing")
    await bob.agrees_with(bob)
    assert await bob.text() == last

    await ada.page.locator('.chapter[data-rev="0"]').click()
    await expect(past).not_to_contain_text("Ada was here")
    await ada.page.get_by_role("button", name="Restore", exact=True).click()
    await ada.page.get_by_role("button", name="Restore for everyone").click()
    for user in (ada, bob):
        await expect(user.page.get_by_text("An earlier version was restored.")).to_be_visible()
        await user.saved()
        assert await user.text() == first
    await expect(chapters.nth(0)).to_contain_text("restored an earlier version")
    # Life goes on in the new history.
    await bob.type_at_end("// on", line=4)
    await ada.shows("// on")
    await ada.agrees_with(bob)


async def test_what_was_not_sent_before_a_restore_is_handed_back(
    new_user: NewUser, synq: Running
) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("Bell pair")
    first = await ada.text()
    await ada.type_at_end("// kept", line=4)
    await ada.saved()
    lines: list[WebSocketRoute] = []
    cut = False

    async def between(line: WebSocketRoute) -> None:
        if cut:
            await line.close(code=4000, reason="cut")
            return
        line.connect_to_server()
        lines.append(line)

    await bob.page.route_web_socket(re.compile("/ws/collaborate"), between)
    await bob.open(address)
    cut = True
    await lines[0].close(code=4000, reason="cut")
    await bob.type_at_end("// Bob's thoughts", line=5)
    await expect(bob.page.locator(".connection-text")).to_contain_text("unsaved edit")

    token = await ada.page.evaluate("JSON.parse(sessionStorage['synq.identity']).token")
    async with httpx.AsyncClient(base_url=synq.url, timeout=30) as http:
        answer = await http.post(
            f"{API}/sessions/{address.rsplit('/', 1)[1]}/restore",
            json={"rev": 0},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
    cut = False
    await bob.page.evaluate("window.dispatchEvent(new Event('online'))")
    notice = bob.page.get_by_role("alert").filter(has_text="What you had not sent yet")
    await expect(notice).to_be_visible()
    await bob.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await notice.get_by_role("button", name="Copy its text").click()
    await expect(notice.get_by_role("button", name="Copied")).to_be_visible()
    assert await bob.page.evaluate("navigator.clipboard.readText()") == "// Bob's thoughts"
    await bob.agrees_with(ada)
    assert await bob.text() == first


async def test_a_fork_is_ones_own(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("Bell pair")
    await bob.open(address)
    await bob.page.get_by_role("button", name="Export and more").click()
    await bob.page.get_by_role("menuitem", name=re.compile("^Fork")).click()
    await expect(bob.page.locator(".session-name")).to_have_text("Bell pair (fork)")
    await bob.ready()
    assert bob.page.url != address
    await bob.type_at_end("// mine alone", line=4)
    await bob.saved()
    assert "mine alone" not in await ada.text()
    await bob.page.goto(bob.url)
    mine = bob.page.locator(".session-list li", has_text="Bell pair (fork)").first
    await expect(mine.locator(".session-facts")).to_contain_text("just now")


@pytest.mark.parametrize(
    ("label", "start", "suffix"),
    [
        ("OpenQASM 2", b"OPENQASM 2", ".qasm"),
        ("OpenQASM 3", b"OPENQASM 3", ".qasm"),
        ("QPY", b"QISKIT", ".qpy"),
        ("JSON", b"{", ".json"),
    ],
)
async def test_exports(new_user: NewUser, label: str, start: bytes, suffix: str) -> None:
    ada = await new_user()
    await ada.start("GHZ-4", "My GHZ")
    await ada.page.get_by_role("button", name="Export and more").click()
    async with ada.page.expect_download() as waiting:
        await ada.page.get_by_role("menuitem", name=re.compile(f"^Export as {label}")).click()
    file = await waiting.value
    assert file.suggested_filename == f"My_GHZ{suffix}"
    assert (await file.path()).read_bytes().startswith(start)


# --- who may do what -----------------------------------------------------------------------------


async def share(user: User) -> Any:
    await user.page.get_by_role("button", name="Share").click()
    return user.page.get_by_role("dialog", name="Share")


async def test_an_invite_lets_in_with_its_role_and_roles_change_live(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await ada.page.goto(ada.url)
    await ada.page.get_by_label("Anyone on this SynQ can edit").uncheck()
    await ada.page.get_by_label("Bell pair").check()
    await ada.page.get_by_role("button", name="Start session").click()
    await ada.ready()
    address = ada.page.url

    await bob.page.goto(address)
    await expect(bob.page.get_by_role("heading", name="No such session")).to_be_visible()
    assert all("404" in said for said in bob.complaints)
    bob.complaints.clear()

    dialog = await share(ada)
    await expect(dialog.get_by_text("Private")).to_be_visible()
    await dialog.get_by_label("Invite someone who").select_option("viewer")
    await dialog.get_by_role("button", name="Make an invite link").click()
    link = await dialog.get_by_label("Invite link").input_value()
    assert link.startswith(f"{address}#invite=")

    await bob.open(link)
    assert bob.page.url == address
    await expect(bob.page.locator(".connection-text")).to_have_text("Live · read only")
    await expect(bob.page.get_by_role("button", name="Comment", exact=True)).to_have_count(0)

    await ada.page.keyboard.press("Escape")
    dialog = await share(ada)
    name = await bob.page.locator(".me-name").inner_text()
    role = dialog.get_by_label(f"Role of {name}")
    await expect(role).to_have_value("viewer")
    await role.select_option("editor")
    await expect(bob.page.get_by_text("You are now editor here.")).to_be_visible()
    await ada.page.keyboard.press("Escape")
    await bob.type_at_end("// may write", line=4)
    await ada.shows("// may write")

    dialog = await share(ada)
    await dialog.get_by_label(f"Role of {name}").select_option("commenter")
    await expect(bob.page.get_by_text("You are now commenter here.")).to_be_visible()
    await expect(bob.page.locator(".connection-text")).to_have_text("Live · read and comment")
    await comment_on_line(bob, 8, "only words from now on")
    await expect(ada.page.locator(".thread-marker")).to_have_count(1)

    await dialog.get_by_role("button", name=f"Remove {name}").click()
    await dialog.get_by_role("button", name="Remove?").click()
    await expect(dialog.locator("li", has_text=name)).to_have_count(0)
    ended = bob.page.get_by_role("alert").filter(has_text="no longer in this session")
    await expect(ended).to_be_visible()
    await bob.page.locator(".cm-content").focus()
    before = await bob.text()
    await bob.page.keyboard.type("lost")
    assert await bob.text() == before


# --- by ear, by keyboard, on a phone -------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
async def test_the_panels_can_be_read_and_reached(
    new_user: NewUser, width: int, scheme: str
) -> None:
    ada = await new_user(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await ada.start("QFT-4")

    async def check(where: str) -> None:
        assert await ada.page.evaluate(AUDIT) == [], where

    await comment_on_line(ada, 7, "A comment with a-very-long-word-" + "x" * 80)
    await expect(ada.page.locator(".thread")).to_have_count(1)
    await check("comments")
    await ada.page.get_by_role("button", name="Reply").click()
    await check("reply")
    await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("button", name="History").click()
    await expect(ada.page.locator(".chapter").first).to_be_visible()
    await check("history")
    await ada.page.locator('.chapter[data-rev="0"]').click()
    await expect(ada.page.locator(".revision-editor .cm-content")).to_be_visible()
    await check("revision")
    await ada.page.get_by_role("button", name="Back to now").click()
    await share(ada)
    await ada.page.get_by_role("button", name="Make an invite link").click()
    await expect(ada.page.get_by_label("Invite link")).to_be_visible()
    await check("share")
    await ada.page.keyboard.press("Escape")
    # The menu, by keyboard.
    await ada.page.get_by_role("button", name="Export and more").press("Enter")
    await expect(ada.page.get_by_role("menuitem").first).to_be_focused()
    await check("menu")
    await ada.page.keyboard.press("End")
    await expect(ada.page.get_by_role("menuitem").last).to_be_focused()
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.get_by_role("button", name="Export and more")).to_be_focused()
