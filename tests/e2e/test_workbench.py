"""The workbench in a real browser, on a real SynQ: what a new user does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.conftest import Running
from tests.e2e.conftest import AUDIT, NewUser


async def test_two_users_see_each_others_keystrokes_and_carets(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("Bell pair")
    await bob.open(address)

    await ada.type_at_end("// from Ada", line=4)
    await bob.shows("// from Ada")
    await bob.type_at_end("// from Bob", line=5)
    await ada.shows("// from Bob")
    await ada.agrees_with(bob)

    for watcher, author in ((ada, bob), (bob, ada)):
        name = await author.page.locator(".me-name").inner_text()
        caret = watcher.page.locator(f'.peer-caret[data-peer="{name}"]')
        await expect(caret).to_have_count(1)
        await expect(watcher.page.get_by_role("list", name=f"Also here: {name}")).to_be_visible()
    # Bob's caret stands where Bob typed last.
    line = ada.page.locator(".cm-line", has=ada.page.locator(".peer-caret")).nth(-1)
    await expect(line).to_contain_text("from Bob")


async def test_both_typing_at_once_end_equal(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("GHZ-4")
    await bob.open(address)
    for user, line in ((ada, 4), (bob, 10)):
        await user.page.locator(".cm-line").nth(line - 1).click()
        await user.page.keyboard.press("End")
    for i in range(40):
        await ada.page.keyboard.type(chr(ord("a") + i % 26))
        await bob.page.keyboard.type(chr(ord("A") + i % 26))
    await ada.agrees_with(bob)
    text = await ada.text()
    assert "".join(chr(ord("a") + i % 26) for i in range(40)) in text
    assert "".join(chr(ord("A") + i % 26) for i in range(40)) in text


async def test_a_new_name_reaches_the_others(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await bob.open(await ada.start("Bell pair"))
    await ada.page.get_by_role("button", name="Change your name").click()
    await ada.page.get_by_label("Shown at your caret").fill("Ada Lovelace")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(bob.page.get_by_role("list", name="Also here: Ada Lovelace")).to_be_visible()


async def test_the_drawing_follows_the_text(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("Bell pair")
    drawing = ada.page.locator(".circuit-svg")
    await expect(drawing).to_have_attribute("aria-label", re.compile("2 qubits.*h on q\\[0\\]"))
    operations = ada.page.locator(".circuit-svg .op")
    await expect(operations).to_have_count(4)

    await bob.open(address)
    await bob.type_at_end("\nrz(pi/4) q[1];", line=8)
    await expect(operations).to_have_count(5)
    await expect(drawing).to_have_attribute("aria-label", re.compile("rz\\(pi/4\\) on q\\[1\\]"))

    # By keyboard: the readout names the operation in full.
    await ada.page.locator(".circuit-scroll").focus()
    await ada.page.keyboard.press("Home")
    await expect(ada.page.locator(".circuit-readout")).to_have_text("h on q[0]")
    await ada.page.keyboard.press("ArrowRight")
    await expect(ada.page.locator(".circuit-readout")).to_have_text("rz(pi/4) on q[1]")


async def test_an_error_is_shown_at_its_line(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("Bell pair")
    await expect(ada.page.locator(".circuit-svg .op")).to_have_count(4)
    await ada.type_at_end("\nbogus q[0];", line=8)

    problem = ada.page.locator(".problem")
    await expect(problem).to_have_count(1)
    await expect(problem.locator(".place")).to_have_text(re.compile("^9:"))
    await expect(problem).to_contain_text("bogus")
    underlined = ada.page.locator(".cm-line").nth(8).locator(".cm-lintRange-error")
    await expect(underlined).to_have_count(1)
    await expect(ada.page.locator(".cm-gutter-lint .cm-lint-marker-error")).to_have_count(1)
    # The last valid drawing stays, and says that it is old.
    await expect(ada.page.locator(".circuit.stale .op")).to_have_count(4)
    await expect(ada.page.get_by_text("last valid drawing")).to_be_visible()
    await expect(ada.page.get_by_role("button", name="Run")).to_be_disabled()

    await problem.click()
    await expect(ada.page.locator(".cm-activeLine")).to_contain_text("bogus")
    await ada.page.keyboard.press("Home")
    await ada.page.keyboard.press("Shift+End")
    await ada.page.keyboard.press("Delete")
    await expect(ada.page.get_by_text("No problems")).to_be_visible()
    await expect(ada.page.locator(".circuit.stale")).to_have_count(0)


async def test_run_shows_counts_that_sum_to_the_shots(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("GHZ-4")
    await expect(ada.page.locator(".circuit-svg .op").first).to_be_visible()
    await ada.page.get_by_label("Shots").fill("2000")
    await ada.page.get_by_label("Seed").fill("7")
    await ada.page.get_by_role("button", name="Run").click()
    histogram = ada.page.locator(".histogram")
    await expect(histogram).to_be_visible(timeout=90_000)
    await expect(histogram).to_have_attribute("data-shots", "2000")
    labels = await ada.page.locator(".bar-label").all_text_contents()
    assert labels == ["0000", "1111"]
    await ada.page.get_by_role("button", name="Table").click()
    counts = await ada.page.locator(".counts-table td:nth-child(2)").all_inner_texts()
    assert sum(int(count.replace(",", "")) for count in counts) == 2000


async def test_control_enter_runs_from_the_editor(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("Bell pair")
    before = await ada.text()
    await expect(ada.page.locator(".circuit-svg .op").first).to_be_visible()
    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.press("Control+Enter")
    await expect(ada.page.locator(".histogram")).to_be_visible(timeout=90_000)
    assert await ada.text() == before


async def test_suggest_shows_ranked_predictions_and_their_model(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("QFT-4")
    await expect(ada.page.locator(".circuit-svg .op").first).to_be_visible()
    await ada.page.get_by_role("button", name="Suggest").click()
    answers = ada.page.locator(".predictions li")
    await expect(answers.first).to_be_visible(timeout=90_000)
    shares = await ada.page.locator(".predictions .figures").all_inner_texts()
    numbers = [float(re.sub(r"[^\d.]", "", share)) for share in shares]
    assert numbers == sorted(numbers, reverse=True)
    await expect(ada.page.locator(".model-line")).to_contain_text("version")


async def test_reload_keeps_the_text_and_the_user(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.start("Bell pair")
    await ada.type_at_end("// kept 😀", line=4)
    await ada.saved()
    before, name = await ada.text(), await ada.page.locator(".me-name").inner_text()
    await ada.page.reload()
    await ada.ready()
    assert await ada.text() == before
    assert await ada.page.locator(".me-name").inner_text() == name


async def test_what_is_typed_while_cut_off_arrives_later(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    address = await ada.start("Bell pair")
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
    await bob.type_at_end("// before", line=4)
    await ada.shows("// before")

    cut = True
    await lines[0].close(code=4000, reason="cut")
    await expect(bob.page.locator(".connection")).not_to_have_class(re.compile("good"))
    await bob.page.keyboard.type(" and after")
    await expect(bob.page.locator(".connection-text")).to_contain_text("unsaved edit")
    await ada.type_at_end("// meanwhile", line=5)
    assert "and after" not in await ada.text()

    cut = False
    await bob.page.evaluate("window.dispatchEvent(new Event('online'))")
    await ada.shows("// before and after")
    await bob.shows("// meanwhile")
    await ada.agrees_with(bob)


async def test_the_sign_in_link_leaves_no_token_behind(new_user: NewUser, synq: Running) -> None:
    token = synq.token("grace")
    grace = await new_user()
    await grace.page.goto(f"{synq.url}/#token={token}")
    await expect(grace.page.get_by_role("heading", name="New session")).to_be_visible()
    assert "token" not in grace.page.url
    assert grace.page.url == f"{synq.url}/"
    assert token not in await grace.page.content()
    assert token not in str(await grace.page.evaluate("JSON.stringify({...localStorage})"))
    await grace.page.get_by_role("button", name="Change your name").click()
    await expect(grace.page.locator("dialog code", has_text="grace")).to_be_visible()


async def test_where_guests_are_refused_a_token_signs_in(new_user: NewUser, synq: Running) -> None:
    alan = await new_user()
    problem = '{"title":"Forbidden","status":403,"detail":"no guests","code":"guest_disabled"}'
    await alan.page.route(
        "**/api/v1/auth/guest",
        lambda route: route.fulfill(
            status=403, body=problem, content_type="application/problem+json"
        ),
    )
    await alan.page.goto(synq.url)
    await alan.page.get_by_label("Token").fill("a.b.c")
    await alan.page.get_by_role("button", name="Sign in").click()
    await expect(alan.page.get_by_role("alert")).to_contain_text("does not accept this token")
    await alan.page.get_by_label("Token").fill(synq.token("alan"))
    await alan.page.get_by_role("button", name="Sign in").click()
    await expect(alan.page.get_by_role("heading", name="New session")).to_be_visible()
    # Chromium reports the refusals this test is about.
    assert all("401" in said or "403" in said for said in alan.complaints)
    alan.complaints.clear()


async def test_an_unknown_session_is_said_in_words(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.page.goto(f"{ada.url}/s/no-such-session")
    await expect(ada.page.get_by_role("heading", name="No such session")).to_be_visible()
    await ada.page.get_by_role("link", name="All sessions").click()
    await expect(ada.page.get_by_role("heading", name="New session")).to_be_visible()
    assert all("404" in said for said in ada.complaints)
    ada.complaints.clear()


async def test_a_file_from_the_disk_becomes_a_session(new_user: NewUser, tmp_path: Path) -> None:
    program = tmp_path / "two_gates.qasm"
    program.write_bytes(
        b'OPENQASM 2.0;\r\ninclude "qelib1.inc";\r\nqreg q[2];\r\nh q[0];\r\ncx q[0],q[1];\r\n'
    )
    ada = await new_user()
    await ada.page.goto(ada.url)
    await ada.page.locator("input[type=file]").set_input_files(program)
    await expect(ada.page.get_by_label("two_gates.qasm")).to_be_checked()
    await ada.page.get_by_role("button", name="Start session").click()
    await ada.ready()
    await expect(ada.page.locator(".session-name")).to_have_text("two_gates")
    await expect(ada.page.locator(".tag", has_text="OpenQASM 2")).to_be_visible()
    await expect(ada.page.locator(".circuit-svg .op")).to_have_count(2)
    await expect(ada.page.locator(".circuit-svg .target")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
async def test_every_page_can_be_read_and_reached(
    new_user: NewUser, width: int, scheme: str
) -> None:
    ada = await new_user(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await ada.page.goto(ada.url)
    await expect(ada.page.get_by_role("heading", name="New session")).to_be_visible()

    async def check(where: str) -> None:
        assert await ada.page.evaluate(AUDIT) == [], where

    await check("home")
    await ada.start("QFT-4", "A session with a name that is much too long for a narrow screen")
    await check("program")
    tabs = ada.page.get_by_role("tab")
    if width > 900:
        await expect(tabs.first).to_be_hidden()
    else:
        for name in ("Circuit", "Results"):
            await ada.page.get_by_role("tab", name=name).click()
            await expect(ada.page.locator(f"#pane-{name.lower()}")).to_be_visible()
            await check(name)
    await ada.page.locator("h1").click()
    await ada.page.keyboard.press("?")
    await expect(ada.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await check("shortcuts")
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.get_by_role("dialog")).to_have_count(0)


async def test_a_session_can_be_started_by_keyboard_alone(new_user: NewUser) -> None:
    ada = await new_user()
    await ada.page.goto(ada.url)
    await ada.page.get_by_label("Name", exact=True).focus()
    await ada.page.keyboard.type("By hand")
    await ada.page.keyboard.press("Tab")
    await ada.page.keyboard.press("ArrowRight")
    await expect(ada.page.get_by_label("GHZ-4")).to_be_checked()
    await ada.page.keyboard.press("Enter")
    await ada.ready()
    await expect(ada.page.locator(".session-name")).to_have_text("By hand")
    # Tab leaves the editor: nobody is trapped in it.
    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.press("Tab")
    assert not await ada.page.evaluate("!!document.activeElement.closest('.cm-content')")
