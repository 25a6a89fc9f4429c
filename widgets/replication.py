"""How the VM under the cursor is replicated: health, true RPO, path, agent, what Azure allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from azure_ops.failback import next_step
from azure_ops.model import FleetItem, HealthNote, Replication

from . import signs
from .ages import age, moment, seconds_between
from .columns import TONE_STYLES, Cell, Tone
from .page import Page, PageScroll
from .rpo_sparkline import sparkline, summary
from .vm_table import Now, replication_state, rpo_tone, true_rpo_s

AGENT_SOON_S = 14 * 86400
LINE_WIDTH = 48


class ReplicationView(PageScroll):
    def __init__(self, now: Now, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(replication_page(None, (), now(), 0), id=id, classes=classes)
        self._now = now
        self._item: FleetItem | None = None
        self._history: Sequence[tuple[datetime, int]] = ()

    def show(self, item: FleetItem | None, history: Sequence[tuple[datetime, int]] = ()) -> None:
        if self._item is None or item is None or item.key != self._item.key:
            self.scroll_home(animate=False)
        self._item, self._history = item, history
        self.tick()

    def tick(self) -> None:
        """Costs nothing on screen while the text reads the same."""
        self.show_page(replication_page(self._item, self._history, self._now(), self.size.width))

    def on_resize(self) -> None:
        self.tick()


def replication_page(
    item: FleetItem | None, history: Sequence[tuple[datetime, int]], now: datetime, width: int
) -> Page:
    page = Page()
    if item is None:
        return page.text("No virtual machine under the cursor", style=TONE_STYLES[Tone.DIM])
    replication = item.replication
    if replication is None:
        page.text("Not replicated by Site Recovery", style=TONE_STYLES[Tone.DIM])
        return page
    _state(page, replication)
    _rpo(page, replication, history, now, width)
    _way(page, replication)
    _agent(page, replication, now)
    _tests(page, replication)
    for note in replication.notes:
        _note(page, note)
    return page


def _pair(page: Page, label: str, cell: Cell) -> None:
    page.pair(label, cell.text, style=TONE_STYLES[cell.tone])


def _state(page: Page, replication: Replication) -> None:
    _pair(page, "health", signs.health(replication.replication_health))
    state = replication.protection_state_text or replication.protection_state
    told = replication_state(replication)
    extra = f", {told.text[2:]}" if told.text[:1] in "▲◐" and told.text[2:] != "Warning" else ""
    page.pair("state", f"{state}{extra}")
    if replication.failover_health and replication.failover_health != replication.replication_health:
        _pair(page, "failover health", signs.health(replication.failover_health))
    if (then := next_step(replication)) is not None:
        page.bullet(f"next step: {then.text}", "→", TONE_STYLES[Tone.GOOD])
    page.pair("allowed now", ", ".join(replication.allowed_operations) or "nothing")


def _rpo(
    page: Page,
    replication: Replication,
    history: Sequence[tuple[datetime, int]],
    now: datetime,
    width: int,
) -> None:
    rpo = true_rpo_s(replication, now)
    if rpo is None or replication.rpo_s is None:
        page.pair("RPO", "not told by Azure")
    else:
        figure_age = age(seconds_between(replication.rpo_calculated_at, now))
        _pair(
            page,
            "RPO now",
            Cell(f"{age(rpo)}: {age(replication.rpo_s)} as told {figure_age} ago", rpo_tone(rpo)),
        )
    line = sparkline(history, now, max(12, min(LINE_WIDTH, width - 42)))
    page.pair("RPO, 24 h", f"{line} {summary(history, now)}")
    waiting = [
        f"{disk.name} {disk.pending_at_source_mb or 0:.0f}+{disk.pending_in_staging_mb or 0:.0f} MB"
        for disk in replication.disks
        if disk.pending_at_source_mb or disk.pending_in_staging_mb
    ]
    if waiting:
        page.pair("still waiting", f"{', '.join(waiting)} (source + staging)")
    for disk in replication.disks:
        if disk.resync_required:
            _pair(page, "resync needed", Cell(f"▲ {disk.name} {disk.state}", Tone.WARN))


def _way(page: Page, replication: Replication) -> None:
    active = f", active: {replication.active_location}" if replication.active_location else ""
    page.pair("path", f"{replication.primary_region} → {replication.recovery_region}{active}")
    page.pair("vault, policy", f"{replication.vault_name}, {replication.policy_name}")
    if replication.multi_vm_group:
        page.pair("multi-VM group", replication.multi_vm_group)


def _agent(page: Page, replication: Replication, now: datetime) -> None:
    heard = seconds_between(replication.last_heartbeat_at, now)
    words = [replication.agent_version or "version not told"]
    words.append("never heard" if heard is None else f"heard {age(heard)} ago")
    tone = Tone.PLAIN
    for label, at in (
        ("expires", replication.agent_expires_at),
        ("certificate", replication.agent_certificate_expires_at),
    ):
        if at is None:
            continue
        left = (at - now).total_seconds()
        words.append(f"{label} {'✖ expired' if left <= 0 else 'in ' + age(left)}")
        if left < AGENT_SOON_S:
            tone = Tone.BAD if left <= 0 else Tone.WARN
    _pair(page, "agent", Cell(", ".join(words), tone))


def _tests(page: Page, replication: Replication) -> None:
    page.pair("last test", moment(replication.last_test_failover_at) or "never")
    if replication.last_failover_at is not None:
        page.pair("last failover", moment(replication.last_failover_at))
    if replication.test_vm_name:
        page.pair("test VM", replication.test_vm_name)


def _note(page: Page, note: HealthNote) -> None:
    bad = note.severity.casefold() == "error"
    style = TONE_STYLES[Tone.BAD if bad else Tone.WARN]
    page.bullet(f"{note.code}: {note.message}" if note.code else note.message, "✖" if bad else "▲", style)
    if note.causes:
        page.note(f"cause: {note.causes}")
    if note.recommendation:
        page.bullet(f"next step: {note.recommendation}", "→", TONE_STYLES[Tone.GOOD])
