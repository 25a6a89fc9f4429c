"""The table through real key presses and clicks: cursor and marks stay with their row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual import on
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot

from widgets.columns import Cell, Column, Tone, natural_key
from widgets.keyed_table import KeyedTable
from widgets.table_messages import CursorMoved, MarksChanged, Opened, RowGone


@dataclass(frozen=True)
class Vm:
    name: str
    size: int | None = 1
    state: str = "running"


def cell_of_state(vm: Vm) -> Cell:
    return Cell(f"● {vm.state}", Tone.GOOD)


COLUMNS: tuple[Column[Vm], ...] = (
    Column("name", "NAME", lambda vm: Cell(vm.name), lambda vm: natural_key(vm.name), width=12),
    Column("state", "STATE", cell_of_state, width=12),
    Column("size", "SIZE", lambda vm: Cell(str(vm.size)), lambda vm: vm.size, width=6, right=True),
    Column("extra", "EXTRA", lambda vm: Cell("more"), width=40, priority=1),
)


class Table(KeyedTable[Vm]):
    """Remembers what was asked to be repainted."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, key=lambda vm: vm.name, natural=lambda vm: natural_key(vm.name))
        self.repainted: list[Region | None] = []

    def refresh(self, *regions: Region, **options: bool) -> Table:  # type: ignore[override]
        self.repainted.extend(regions or (None,))
        return super().refresh(*regions, **options)


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        yield Table()

    @on(CursorMoved)
    @on(RowGone)
    @on(Opened)
    @on(MarksChanged)
    def tell(self, message: Message) -> None:
        self.told.append(message)

    def told_of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.told if type(message) is kind]


@asynccontextmanager
async def table_of(*names: str, size: tuple[int, int] = (60, 12)) -> AsyncIterator[tuple[Pilot[None], Table]]:
    app = TableApp()
    async with app.run_test(size=size) as pilot:
        table = app.query_one(Table)
        table.update([Vm(name) for name in names])
        table.focus()
        await pilot.pause()
        yield pilot, table


def lines(table: Table) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_rows_stand_in_natural_order_under_a_header() -> None:
    async with table_of("web-10", "web-2", "App-1") as (_, table):
        shown = lines(table)
        assert shown[0].split() == ["NAME", "STATE", "SIZE"]
        assert [line[3:11].strip() for line in shown[1:4]] == ["App-1", "web-2", "web-10"]
        assert shown[1].startswith("▶  App-1")


async def test_the_cursor_stays_with_its_row_when_rows_come_and_go() -> None:
    async with table_of(*(f"vm-{n}" for n in range(30))) as (pilot, table):
        await pilot.press(*["down"] * 6)
        assert table.cursor_key == "vm-6"
        line = next(y for y, text in enumerate(lines(table)) if text.startswith("▶"))
        table.update([Vm("aa-1"), Vm("aa-2")], ["vm-2", "vm-3", "vm-4"])
        await pilot.pause()
        assert table.cursor_key == "vm-6"
        assert table.cursor_row == Vm("vm-6")
        assert next(y for y, text in enumerate(lines(table)) if text.startswith("▶")) in (line, line - 1)
        await pilot.press("down")
        assert table.cursor_key == "vm-7"


async def test_a_row_that_disappears_hands_the_cursor_to_its_neighbour_and_says_so() -> None:
    async with table_of("a", "b", "c") as (pilot, table):
        app = pilot.app
        assert isinstance(app, TableApp)
        await pilot.press("down")
        table.update((), ["b"])
        await pilot.pause()
        assert table.cursor_key == "c"
        (gone,) = app.told_of(RowGone)
        assert isinstance(gone, RowGone)
        assert (gone.key, gone.row) == ("b", Vm("b"))
        table.update((), ["a", "c"])
        await pilot.pause()
        assert table.cursor_key is None
        assert table.cursor_row is None
        await pilot.press("enter", "down", "space")
        assert not app.told_of(Opened)


async def test_until_somebody_steers_the_cursor_waits_on_the_first_row() -> None:
    async with table_of("m") as (pilot, table):
        table.update([Vm("b")])
        table.update([Vm("a"), Vm("z")])
        await pilot.pause()
        assert table.cursor_key == "a"


async def test_marks_belong_to_rows_and_go_with_them() -> None:
    async with table_of("a", "b", "c", "d") as (pilot, table):
        await pilot.press("space", "space", "down", "space")
        assert table.marks == ("a", "b", "d")
        assert lines(table)[1].startswith(" ◆ a")
        table.update([Vm("aa")], ["b"])
        table.sort_by("name", descending=True)
        await pilot.pause()
        assert [vm.name for vm in table.target_rows()] == ["d", "a"]
        table.clear_marks()
        assert [vm.name for vm in table.target_rows()] == [table.cursor_key]


async def test_sorting_keeps_natural_order_among_equals_and_empty_values_last() -> None:
    async with table_of("x") as (pilot, table):
        table.update([Vm("c", 2), Vm("a", 2), Vm("b", 1), Vm("d", None), Vm("x", 3)])
        table.sort_by("size")
        assert table.shown_keys == ["b", "a", "c", "x", "d"]
        table.sort_by("size", descending=True)
        assert table.shown_keys == ["x", "a", "c", "b", "d"]
        assert "SIZE ▼" in lines(table)[0]
        table.update([Vm("b", 9), Vm("e", 2)])
        assert table.shown_keys == ["b", "x", "a", "c", "e", "d"]
        table.update([Vm("x", None)])
        await pilot.pause()
        assert table.shown_keys == ["b", "a", "c", "e", "d", "x"]


async def test_sort_key_goes_through_columns_and_directions() -> None:
    async with table_of("a", "b") as (pilot, table):
        seen = []
        for _ in range(7):
            await pilot.press("s")
            seen.append((table.sort_column, table.sort_descending))
        assert seen[:3] == [("name", False), ("name", True), ("state", False)]
        assert seen[-1] == (None, False)


async def test_filter_words_regular_expressions_and_their_inverse() -> None:
    async with table_of("web-1", "web-2", "sql-1") as (pilot, table):
        table.update([Vm("web-3", state="stopped")])
        for text, shown in (
            ("WEB", ["web-1", "web-2", "web-3"]),
            ("!web", ["sql-1"]),
            ("web !stopped", ["web-1", "web-2"]),
            ("^(sql|web-3)", ["sql-1", "web-3"]),
            ("[", []),
            (r"\d\s", ["sql-1", "web-1", "web-2", "web-3"]),
            ("", ["sql-1", "web-1", "web-2", "web-3"]),
        ):
            table.set_filter(text)
            assert table.shown_keys == shown, text
        table.set_filter("web")
        table.update([Vm("web-9"), Vm("other"), Vm("web-1", state="webless")], ["web-2"])
        assert table.shown_keys == ["web-1", "web-3", "web-9"]
        table.set_filter("stopped")
        table.update([Vm("web-3")])
        await pilot.pause()
        assert table.shown_keys == []
        assert "No row matches stopped" in lines(table)[1]


async def test_a_changed_cell_repaints_that_cell_alone() -> None:
    async with table_of(*(f"vm-{n}" for n in range(50))) as (pilot, table):
        await pilot.pause()
        table.repainted.clear()
        table.update([Vm("vm-3", state="stopped"), Vm("vm-40", state="stopped")])
        assert table.repainted == [Region(17, 4, 12, 1)]
        await pilot.pause()
        table.repainted.clear()
        table.update([Vm("vm-5")])
        table.tick()
        assert table.repainted == []
        await pilot.press("down")
        await pilot.pause()
        assert all(region is not None and region.height == 1 for region in table.repainted)


async def test_mouse_moves_sorts_and_opens() -> None:
    async with table_of("a", "b", "c") as (pilot, table):
        app = pilot.app
        assert isinstance(app, TableApp)
        await pilot.click(table, offset=(5, 3))
        assert table.cursor_key == "c"
        await pilot.click(table, offset=(5, 0))
        await pilot.click(table, offset=(5, 0))
        assert (table.sort_column, table.sort_descending) == ("name", True)
        await pilot.click(table, offset=(5, 2), times=2)
        (opened,) = app.told_of(Opened)
        assert isinstance(opened, Opened)
        assert opened.key == "b"
        await pilot.click(table, offset=(5, 9))
        assert table.cursor_key == "b"


async def test_paging_and_edges_keep_the_cursor_in_view() -> None:
    async with table_of(*(f"vm-{n:03}" for n in range(100))) as (pilot, table):
        for key in ("pagedown", "pagedown", "end", "pageup", "home", "G", "g", "ctrl+f"):
            await pilot.press(key)
            await pilot.pause()
            assert any(line.startswith("▶") for line in lines(table)[1:]), key
        await pilot.press("end")
        assert table.cursor_key == "vm-099"
        assert lines(table)[-1].startswith("▶  vm-099")


async def test_columns_give_way_by_priority() -> None:
    async with table_of("a", size=(100, 10)) as (pilot, table):
        assert "EXTRA" in lines(table)[0]
        await pilot.resize_terminal(50, 10)
        await pilot.pause()
        assert "EXTRA" not in lines(table)[0]
        await pilot.resize_terminal(20, 10)
        await pilot.pause()
        assert all(len(line) <= 20 for line in lines(table))


async def test_many_rows_sort_and_filter_in_slices() -> None:
    async with table_of("x") as (pilot, table):
        many = [Vm(f"vm-{n}", n * 7919 % 10007) for n in range(30_000)]
        table.update(many)
        assert table.shown_count == 30_001
        table.sort_by("size")
        assert table.busy
        table.update([Vm("vm-5", -1)], ["vm-6"])
        table.set_filter("vm-1")
        table.update([Vm("vm-1", -2), Vm("vm-2", -3)])
        while table.busy:
            await pilot.pause(0.01)
        expected = {vm.name: vm for vm in many} | {"vm-5": Vm("vm-5", -1), "vm-1": Vm("vm-1", -2)}
        names = sorted(
            (name for name in expected if "vm-1" in name),
            key=lambda name: (expected[name].size or 0, natural_key(name)),
        )
        assert table.shown_keys == names


async def test_hostile_cells_are_shown_and_measured_as_text() -> None:
    async with table_of("[red]x[/red]", "\x1b[2J", "漢字漢字漢字漢字漢字", size=(50, 8)) as (_, table):
        for y in range(table.size.height):
            assert table.render_line(y).cell_length == table.scrollable_content_region.width
        text = "\n".join(lines(table))
        assert "[red]x[/red]" in text
        assert "␛[2J" in text
        assert "漢字漢字漢…" in text
