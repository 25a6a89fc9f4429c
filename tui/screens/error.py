"""A typed error, whole: what, why, the next step, and what support asks for."""

from __future__ import annotations

from azure_ops.errors import RecoveryError
from azure_ops.model import ErrorNote
from widgets.page import Page

from .dialog import Message


def error_page(error: ErrorNote) -> Page:
    page = Page().text(error.title, style="bold")
    if error.hint:
        page.blank().bullet(error.hint, sign="→", style="$text-success")
    facts = {
        "code": error.code,
        "status": str(error.status) if error.status is not None else "",
        "resource": error.resource,
        "request id": error.request_id,
    }
    if any(facts.values()):
        page.blank()
    for label, value in facts.items():
        if value:
            page.pair(label, value)
    if error.details:
        page.heading("Details").verbatim(error.details)
    return page


class ErrorDialog(Message):
    def __init__(self, title: str, error: RecoveryError) -> None:
        super().__init__(title, error_page(error.note()), tone="-danger")
