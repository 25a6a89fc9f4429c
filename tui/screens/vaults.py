"""The vaults: all in one table, the one under the cursor beside it where there is room. Opened with `v`.

What lists do not tell is read from each vault, a few at a time, while this screen is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input

from azure_ops import wire
from azure_ops.actions.spec import Target, TargetKind
from azure_ops.errors import RecoveryError
from azure_ops.model import FleetItem, Operation, Subscription, Vault
from widgets.key_line import KeyLine
from widgets.page import PageScroll
from widgets.pane import Pane, counted
from widgets.status import Status, StatusBar
from widgets.table_messages import CursorMoved, Opened, ShownChanged
from widgets.vaults import VaultTable, vault_page

from ..flows import actions
from ..keys import bindings
from ..layout import WIDE
from .dialog import Dialog

if TYPE_CHECKING:
    from widgets.page import Page

    from ..app import ConsoleApp

READ_AT_ONCE = 8
TICK_S = 10.0
"""The age of what is shown is counted anew."""
OF_VAULTS = tuple(
    action
    for kind in (TargetKind.VAULT, TargetKind.SUBSCRIPTION)
    for action in actions().values()
    if action.target is kind
)
COMMANDS = (
    "pane-1", "pane-2", "back", "filter", "details", "raw", "copy", "portal", "refresh", "menu", "palette",
    "help", "quit",
)  # fmt: skip


class VaultDetails(Dialog[None]):
    def __init__(self, vault: Vault, page: Page) -> None:
        super().__init__(vault.name, "↑↓ scroll · esc back")
        self._page_shown = page

    def page(self) -> Page:
        return self._page_shown


class VaultsScreen(Screen[None]):
    CSS_PATH = "../styles/vaults.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(COMMANDS, "run"),
        *bindings([action.id for action in OF_VAULTS], "act"),
    ]

    def __init__(self, app: ConsoleApp, id: str = "") -> None:
        """`id`: the vault on which the cursor stands at first."""
        super().__init__()
        self.console_app = app
        self._first = id.lower()

    def compose(self) -> ComposeResult:
        table = VaultTable(id="vault-table")
        yield StatusBar(id="vault-status")
        yield Horizontal(
            Pane(1, "Vaults", table, id="vaults-pane"),
            Pane(2, "Details", PageScroll(id="vault-page"), id="vault-pane"),
            id="vaults",
        )
        yield KeyLine(id="vault-keys")

    def on_mount(self) -> None:
        self._arrange(self.app.size.width, self.app.size.height)
        self.table.focus()
        self.console_app.console_screen.header_changed()
        self.vaults_changed()
        if self._first:
            self.table.set_cursor(self._first)
        self._read([vault.id for vault in self.console_app.state.known_vaults()])
        self.set_interval(TICK_S, self._tick)

    @property
    def table(self) -> VaultTable:
        return self.query_one(VaultTable)

    @property
    def vault(self) -> Vault | None:
        return self.table.cursor_row

    def go_to(self, id: str) -> None:
        if id and not self.table.set_cursor(id.lower()):
            self.table.set_filter("")
            self.table.set_cursor(id.lower())

    # reading ------------------------------------------------------------------------------------------------

    def _read(self, ids: Sequence[str], *, fresh: bool = False) -> None:
        reading = self._read_all(list(ids), fresh=fresh)
        self.run_worker(reading, group="vaults", exclusive=True, exit_on_error=False)

    async def _read_all(self, ids: list[str], *, fresh: bool) -> None:
        for first in range(0, len(ids), READ_AT_ONCE):
            await self._read_some(ids[first : first + READ_AT_ONCE], fresh=fresh)

    async def _read_some(self, ids: Sequence[str], *, fresh: bool) -> None:
        request = wire.GetVaults(ids=tuple(ids), fresh=fresh)
        try:
            answer = await self.console_app.link.ask(request, wire.GotVaults)
        except RecoveryError as error:
            self.query_one("#vaults-pane", Pane).show_fault(error.title)
            return
        self.query_one("#vaults-pane", Pane).show_fault("")
        self.console_app.state.take_vaults(answer.vaults)
        self.vaults_changed()

    def vaults_changed(self) -> None:
        """Called by the app, too, when the list of them is another one."""
        if not self.is_mounted:
            return
        known = self.console_app.state.known_vaults()
        with self.app.batch_update():
            self.table.replace_rows(known)
            self._show_vault()
            self._title()
        new = [vault.id for vault in known if vault.read_at is None and not vault.faults]
        if new and not any(worker.group == "vaults" for worker in self.workers):
            self._read(new)

    def operation_ended(self, operation: Operation) -> None:
        """What was done to a vault is read at once."""
        found = [one.id for one in self.console_app.state.vaults if one.id.lower() == operation.target_key]
        if found:
            self.run_worker(self._read_some(found, fresh=True), group="changed", exit_on_error=False)

    def header_changed(self, status: Status) -> None:
        """Called by the console's screen, which shows the same line."""
        for bar in self.query(StatusBar):
            bar.show(status)

    # showing ------------------------------------------------------------------------------------------------

    def on_cursor_moved(self, event: CursorMoved) -> None:
        self._show_vault()

    def _tick(self) -> None:
        self.console_app.console_screen.header_changed()
        self._show_vault()

    def on_shown_changed(self, event: ShownChanged) -> None:
        self._title()

    def on_opened(self, event: Opened) -> None:
        self._details()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(event.size.width, event.size.height)

    def _arrange(self, width: int, height: int) -> None:
        self.set_class(width < WIDE[0] or height < WIDE[1], "-narrow")

    def _page(self, vault: Vault | None) -> Page:
        state = self.console_app.state
        held: list[FleetItem] = []
        if vault is not None:
            wanted = vault.id.lower()
            held = [
                item
                for item in state.items.values()
                if item.backup and item.backup.vault_id.lower() == wanted
            ]
        return vault_page(vault, held, state.service_now())

    def _show_vault(self) -> None:
        self.query_one("#vault-page", PageScroll).show_page(self._page(self.vault))
        self.query_one("#vault-pane", Pane).show_tail(f"· {self.vault.name}" if self.vault else "")
        self._show_keys()

    def _title(self) -> None:
        table = self.table
        tail = counted(table.shown_count, table.row_count, table.filter_text)
        self.query_one("#vaults-pane", Pane).show_tail(tail)

    def _show_keys(self) -> None:
        keys = self.console_app.keys
        shown = [("esc", "Fleet")]
        for id, word in (("details", "Details"), ("create-vault", "New vault"), ("menu", "Actions"),
                         ("raw", "JSON"), ("filter", "Filter"), ("help", "Help")):  # fmt: skip
            if id != "create-vault" or not self.console_app.read_only:
                shown.append((keys.shown(id), word))
        self.query_one(KeyLine).show_keys(shown)

    # keys ---------------------------------------------------------------------------------------------------

    def targets(self, kind: TargetKind) -> Sequence[Target]:
        """The vault under the cursor, or the subscription that a new one is for: of that vault, else of the
        fleet's first row."""
        vault = self.vault
        if kind is TargetKind.VAULT:
            return [vault] if vault else []
        if vault is not None:
            id = f"/subscriptions/{vault.subscription_id}"
            return [Subscription(id=id, name=vault.subscription_name)]
        return self.console_app.console_screen.commands.targets(kind)

    def action_act(self, id: str) -> None:
        self.console_app.flows.start(id, self.targets(actions()[id].target))

    async def action_run(self, id: str) -> None:
        commands = self.console_app.console_screen.commands
        vault = self.vault
        match id:
            case "pane-1":
                self.table.focus()
            case "pane-2" if not self.has_class("-narrow"):
                self.query_one("#vault-page").focus()
            case "pane-2":
                self._details()
            case "back":
                self._back()
            case "filter":
                self._open_filter()
            case "refresh":
                self._refresh()
            case "menu":
                commands.menu_of(OF_VAULTS, self.targets)
            case "palette":
                commands.palette_for(self._go)
            case "help":
                commands.help()
            case "quit":
                await self.console_app.action_quit()
            case "details":
                self._details()
            case "raw" if vault is not None:
                commands.show_raw_of_vault(vault.id, vault.name)
            case "copy" if vault is not None:
                commands.copy_id(vault.id)
            case "portal" if vault is not None:
                commands.portal_of(vault.id)

    def _go(self, kind: str, id: str) -> None:
        """Found by the palette. What is of the fleet's screen leads back there."""
        if kind == "action" and actions()[id] in OF_VAULTS:
            self.action_act(id)
        elif kind == "vault":
            self.go_to(id)
        else:
            if kind != "operation":
                self.dismiss(None)
            self.console_app.console_screen.commands.go(kind, id)

    def _details(self) -> None:
        if self.vault is not None:
            self.app.push_screen(VaultDetails(self.vault, self._page(self.vault)))

    def _refresh(self) -> None:
        self.console_app.console_screen.commands.refresh_quietly()
        self._read([vault.id for vault in self.console_app.state.known_vaults()], fresh=True)

    def _back(self) -> None:
        """One thing at a time, the newest first."""
        if self.query("#vault-filter"):
            self._close_filter()
            self.table.set_filter("")
        elif self.table.filter_text:
            self.table.set_filter("")
        else:
            self.dismiss(None)

    def _open_filter(self) -> None:
        if not self.query("#vault-filter"):
            hint = "words, !not, regular expressions; enter keeps, esc clears"
            field = Input(self.table.filter_text, placeholder=hint, id="vault-filter", select_on_focus=False)
            field.cursor_blink = False
            self.mount(field, before="#vault-keys")
            field.focus()

    def _close_filter(self) -> None:
        self.query("#vault-filter").remove()
        self.table.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.table.set_filter(event.value)

    def on_input_submitted(self) -> None:
        self._close_filter()
