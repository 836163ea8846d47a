"""Circuit sessions: the drawing is the document."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.async_api import expect

from tests.conftest import Running
from tests.e2e.conftest import AUDIT, NewUser, User

API = "/api/v1/collaboration"
ROW = 46
TOP = 26


async def start(user: User) -> str:
    """Start an empty circuit of three qubits; return its address."""
    await user.page.goto(user.url)
    await user.page.get_by_label("Drawn circuit").check()
    await user.page.get_by_role("button", name="Start session").click()
    await ready(user)
    return user.page.url


async def ready(user: User) -> None:
    await expect(user.page.locator('.circuit-editor[data-ready="true"]')).to_be_visible()
    await expect(user.page.locator('.connection-text[data-phase="live"]')).to_be_visible()


async def open_(user: User, address: str) -> None:
    await user.page.goto(address)
    await ready(user)


async def put(user: User, name: str, row: int, at: float = 0.95) -> None:
    """Press a gate in the palette, then a wire, ``at`` this share of its length."""
    gates = user.page.locator(".canvas .op")
    before = await gates.count()
    await user.page.locator(f'.palette-gate[data-name="{name}"]').click()
    box = await user.page.locator(".canvas .circuit-svg").bounding_box()
    assert box is not None
    await user.page.mouse.click(box["x"] + box["width"] * at, box["y"] + TOP + ROW * row)
    await expect(gates).to_have_count(before + 1)
    await user.page.keyboard.press("Escape")


async def shows(user: User, text: str) -> None:
    """Wait until the drawing says this of itself."""
    await expect(user.page.locator(".canvas .circuit-svg")).to_have_attribute(
        "aria-label", re.compile(re.escape(text))
    )


async def test_two_users_draw_one_circuit(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await open_(bob, await start(ada))
    await put(ada, "h", 0)
    await put(bob, "cx", 1)
    await put(ada, "rz", 2)
    for user in (ada, bob):
        await shows(user, "h on q[0]; cx on q[2], controlled by q[1]; rz(pi/2) on q[2]")

    # Each sees what the other has in hand.
    await bob.page.locator(".op.op-rotation").click()
    name = await bob.page.locator(".me-name").inner_text()
    await expect(ada.page.locator(f'.peer-frame[data-peer="{name}"]')).to_have_count(1)
    angle = bob.page.get_by_label("Angle", exact=True)
    await angle.fill("pi/8")
    await angle.press("Enter")
    await shows(ada, "rz(pi/8) on q[2]")
    await expect(ada.page.locator(".program-text")).to_contain_text("rz(pi/8) q[2];")

    # One's own changes are taken back, the other's stay.
    await ada.page.locator(".canvas .circuit-scroll").focus()
    await ada.page.keyboard.press("Control+z")
    for user in (ada, bob):
        await expect(user.page.locator(".canvas .op")).to_have_count(2)
        await shows(user, "h on q[0]; cx on q[2], controlled by q[1]")
    await ada.page.get_by_role("button", name="Redo").click()
    await shows(bob, "rz(pi/8) on q[2]")


async def test_a_gate_is_dragged_moved_and_deleted(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await open_(bob, await start(ada))
    await put(ada, "h", 0)
    await put(ada, "x", 0)
    await shows(ada, "h on q[0]; x on q[0]")

    first = ada.page.locator(".canvas .op").nth(0)
    box = await first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await ada.page.mouse.move(x, y)
    await ada.page.mouse.down()
    await ada.page.mouse.move(x + 4, y + ROW, steps=4)
    await ada.page.mouse.move(x + 4, y + 2 * ROW, steps=4)
    await ada.page.mouse.up()
    await shows(bob, "h on q[2]")

    # Back up by keyboard, then past its neighbour, then gone.
    await ada.page.locator(".canvas .circuit-scroll").focus()
    await ada.page.keyboard.press("Alt+ArrowUp")
    await ada.page.keyboard.press("Alt+ArrowUp")
    await shows(bob, "h on q[0]; x on q[0]")
    await ada.page.keyboard.press("Alt+ArrowRight")
    await shows(bob, "x on q[0]; h on q[0]")
    await ada.page.keyboard.press("Delete")
    await shows(bob, "1 operation: x on q[0]")

    # A gate is dragged out of the palette, in one go.
    button = await ada.page.locator('.palette-gate[data-name="y"]').bounding_box()
    wires = await ada.page.locator(".canvas .circuit-svg").bounding_box()
    assert button is not None
    assert wires is not None
    await ada.page.mouse.move(button["x"] + 9, button["y"] + 9)
    await ada.page.mouse.down()
    await ada.page.mouse.move(wires["x"] + 200, wires["y"] + TOP + ROW, steps=5)
    await expect(ada.page.locator(".ghost")).to_have_count(1)
    await ada.page.mouse.up()
    await expect(ada.page.locator(".ghost")).to_have_count(0)
    await shows(bob, "2 operations: x on q[0]; y on q[1]")

    # A gate put ahead of another one.
    await put(ada, "z", 0, at=0.0)
    await shows(bob, "3 operations: z on q[0]; y on q[1]; x on q[0]")


async def test_by_keyboard_alone(new_user: NewUser) -> None:
    ada = await new_user()
    await start(ada)
    await ada.page.locator('.palette-gate[data-name="h"]').focus()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator(".canvas .circuit-scroll")).to_be_focused()
    await ada.page.keyboard.press("ArrowDown")
    await expect(ada.page.locator(".circuit-readout")).to_have_text("Put h on q[1]")
    await ada.page.keyboard.press("Enter")
    await shows(ada, "h on q[1]")
    await ada.page.keyboard.press("ArrowDown")
    await ada.page.keyboard.press("Enter")
    await shows(ada, "h on q[1]; h on q[2]")
    await ada.page.keyboard.press("Escape")
    await ada.page.keyboard.press("Home")
    await expect(ada.page.locator(".circuit-readout")).to_have_text("h on q[1]")
    await ada.page.keyboard.press("Enter")
    qubit = ada.page.get_by_role("combobox", name="Qubit")
    await expect(qubit).to_be_focused()
    await qubit.select_option("q[0]")
    await shows(ada, "h on q[0]; h on q[2]")


async def test_wires_are_added_and_taken_away(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await open_(bob, await start(ada))
    await put(ada, "x", 2)
    await expect(ada.page.get_by_role("button", name="One qubit less")).to_be_disabled()
    await ada.page.get_by_role("button", name="One qubit more").click()
    await shows(bob, "Circuit with 4 qubits and 3 classical bits")
    await bob.page.get_by_role("button", name="One bit less").click()
    await bob.page.get_by_role("button", name="One qubit less").click()
    await shows(ada, "Circuit with 3 qubits and 2 classical bits")


async def test_a_circuit_runs_and_is_discussed(new_user: NewUser) -> None:
    ada, bob = await new_user(), await new_user()
    await open_(bob, await start(ada))
    for name, row in (("h", 0), ("cx", 0), ("measure", 0), ("measure", 1)):
        await put(ada, name, row)
    await ada.saved()
    await ada.page.locator(".op.op-entangling").click()
    await ada.page.get_by_role("button", name="Comment", exact=True).click()
    await ada.page.get_by_label("New comment", exact=True).fill("Which way round?")
    await ada.page.keyboard.press("Control+Enter")
    await expect(bob.page.locator(".gate-mark.unread")).to_have_count(1)
    await bob.page.get_by_role("button", name="Comments, 1 unread").click()
    thread = bob.page.locator(".thread")
    where = thread.locator("button.thread-where")
    await expect(where).to_have_text("cx on q[1], controlled by q[0]")
    await where.click()
    await expect(bob.page.locator(".op.active.op-entangling")).to_have_count(1)
    # The gate goes and comes back; so does what is said of it.
    await bob.page.get_by_role("button", name="Delete cx").click()
    await expect(ada.page.locator(".thread.orphaned")).to_have_count(1)
    await bob.page.locator(".canvas .circuit-scroll").focus()
    await bob.page.keyboard.press("Control+z")
    await expect(ada.page.locator(".thread.orphaned")).to_have_count(0)

    run = ada.page.get_by_role("button", name="Run")
    await expect(run).to_be_enabled()
    await run.click()
    await expect(ada.page.locator(".histogram")).to_be_visible(timeout=90_000)
    assert await ada.page.locator(".bar-label").all_text_contents() == ["000", "011"]


async def test_history_and_conversion(new_user: NewUser) -> None:
    ada = await new_user()
    address = await start(ada)
    await put(ada, "h", 0)
    await put(ada, "x", 1)
    await ada.saved()
    await ada.page.get_by_role("button", name="History").click()
    await ada.page.locator('.chapter[data-rev="0"]').click()
    past = ada.page.locator(".revision .circuit-svg")
    await expect(past).to_have_attribute("aria-label", re.compile("0 operations"))
    await ada.page.get_by_role("button", name="One step later").click()
    await expect(past).to_have_attribute("aria-label", re.compile("1 operation: h on q"))
    await ada.page.get_by_role("button", name="Restore", exact=True).click()
    await ada.page.get_by_role("button", name="Restore for everyone").click()
    await shows(ada, "1 operation: h on q[0]")

    await ada.page.get_by_role("button", name="Export and more").click()
    await ada.page.get_by_role("menuitem", name=re.compile("^Convert to text")).click()
    await ada.ready()
    assert ada.page.url != address
    assert "h q[0];" in await ada.text()

    # And back, with what has no form there told in words.
    await ada.type_at_end("\n// a last word")
    await ada.saved()
    await ada.page.get_by_role("button", name="Export and more").click()
    await ada.page.get_by_role("menuitem", name=re.compile("^Convert to circuit")).click()
    told = ada.page.get_by_role("dialog", name="Converted")
    opened = ada.page.locator('.circuit-editor[data-ready="true"]')
    await expect(told.or_(opened).first).to_be_visible()
    if await told.is_visible():
        await told.get_by_role("button", name="Open it").click()
    await shows(ada, "h on q[0]")


async def test_what_a_viewer_cannot_do(new_user: NewUser, synq: Running) -> None:
    ada, bob = await new_user(), await new_user()
    await ada.page.goto(ada.url)
    await expect(ada.page.get_by_role("heading", name="New session")).to_be_visible()
    token = await ada.page.evaluate("JSON.parse(sessionStorage['synq.identity']).token")
    gate = {"pos": "a0", "name": "h", "qubits": [0]}
    async with httpx.AsyncClient(base_url=synq.url, timeout=30) as http:
        made = await http.post(
            f"{API}/sessions",
            json={
                "name": "Look", "kind": "circuit", "visibility": "public",
                "public_role": "viewer",
                "content": {"qubits": 1, "clbits": 0, "gates": {"g": gate}},
            },
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
    assert made.status_code == 201, made.text
    await open_(bob, f"{synq.url}/s/{made.json()['id']}")
    await expect(bob.page.get_by_text("read only: viewer")).to_be_visible()
    await expect(bob.page.locator(".palette")).to_have_count(0)
    await bob.page.locator(".canvas .op").click()
    await bob.page.keyboard.press("Delete")
    await expect(bob.page.locator(".canvas .op")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
async def test_the_circuit_can_be_read_and_reached(
    new_user: NewUser, width: int, scheme: str
) -> None:
    ada = await new_user(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await start(ada)
    await put(ada, "rz", 0)
    await put(ada, "cx", 1)
    await ada.page.locator(".op.op-rotation").click()
    await ada.page.get_by_role("button", name="More gates").click()
    await expect(ada.page.locator('.palette-gate[data-name="ecr"]')).to_be_visible()
    assert await ada.page.evaluate(AUDIT) == []
