"""Ticked files to their place: form, plan, the restore itself and its progress, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure_ops import wire
from azure_ops.file_model import Control, FileChoice, FileRestore, RestoreState

from .screens.files_progress import GoOn, RestoreProgress
from .screens.files_restore import RestoreForm, RestorePlan, agent_socket

if TYPE_CHECKING:
    from .app import ConsoleApp


class FileRestoring:
    """`session` is asked each time: after a break the disks are open under another name."""

    def __init__(self, app: ConsoleApp, session: Callable[[], str]) -> None:
        self._app = app
        self._session = session

    async def restore(self, choice: FileChoice | None, what: str) -> None:
        """What runs or was interrupted comes first; without a choice the last one is shown."""
        asked = wire.GetRestore(session=self._session())
        told = (await self._app.link.ask(asked, wire.RestoreTold)).restore
        if told is not None and told.state is RestoreState.INTERRUPTED:
            told = await self._gone_on_with(told)
            if told is None:
                return
        if choice is not None and (told is None or told.state.ended):
            told = await self._begun(choice, what)
        elif told is None:
            self._app.tell("Tick files or directories with space first.", "warning")
        if told is not None:
            await self._app.push_screen_wait(RestoreProgress(self._app, self._session, told))

    async def _gone_on_with(self, told: FileRestore) -> FileRestore | None:
        on = await self._app.push_screen_wait(GoOn(told))
        ask, session = self._app.link.ask, self._session()
        if on is None:
            return None
        if on:
            return (
                await ask(
                    wire.ResumeRestore(session=session, id=told.id, agent=agent_socket()), wire.RestoreTold
                )
            ).restore
        await ask(wire.ControlRestore(session=session, control=Control.CANCEL), wire.RestoreTold)
        return None

    async def _begun(self, choice: FileChoice, what: str) -> FileRestore | None:
        form = RestoreForm(self._app, what)
        while True:
            answers = await self._app.push_screen_wait(form)
            if answers is None:
                return None
            plan = RestorePlan(self._app, self._session(), choice, answers)
            if await self._app.push_screen_wait(plan):
                break
            form = RestoreForm(self._app, what, answers)
        request = wire.RestoreFiles(
            session=self._session(), choice=choice, place=answers.check.place, conflict=answers.conflict,
            overwriting=plan.overwriting, agent=agent_socket(),
        )  # fmt: skip
        return (await self._app.link.ask(request, wire.RestoreTold, 60)).restore
