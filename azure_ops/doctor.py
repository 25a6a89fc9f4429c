"""`python -m azure_ops.doctor [--json] …`: the Azure side of `azrecover doctor`, a finding a line at once.

Run by `tui/doctor.py` as a process of its own, so that the console's side never imports an SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from . import paths
from .cloud import CloudSettings, add_arguments, from_namespace
from .errors import EngineUnavailable, RecoveryError
from .model import Check, CheckState

if TYPE_CHECKING:
    from .services.session import Session

MOST_SKEW_S = 240
"""Tokens are refused by the service at about five minutes of difference."""
SUBSCRIPTIONS_ASKED = 10
REACH_S = 10.0
OK, WARNING, FAILED = CheckState.OK, CheckState.WARNING, CheckState.FAILED


def failed(label: str, error: Exception) -> Check:
    if isinstance(error, RecoveryError):
        return Check(label=label, state=FAILED, detail=error.title, fix=error.hint)
    return Check(label=label, state=FAILED, detail=f"{type(error).__name__}: {error}")


def check_folders(settings: CloudSettings) -> Iterator[Check]:
    for label, folder in (("state folder", paths.state_dir), ("runtime folder", paths.runtime_dir)):
        try:
            yield Check(label=label, state=OK, detail=str(folder(settings)))
        except RecoveryError as error:
            yield failed(label, error)


def check_journal(settings: CloudSettings) -> Check:
    try:
        path = paths.journal_path(settings)
        if not path.exists():
            return Check(label="journal", state=OK, detail="none yet: nothing was started on this cloud")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            answer = str(connection.execute("PRAGMA quick_check").fetchone()[0])
        size_kb = path.stat().st_size / 1000
    except RecoveryError as error:
        return failed("journal", error)
    except (sqlite3.Error, OSError) as error:
        fix = "Move the file away to start a new one; the old one is for support."
        return Check(label="journal", state=FAILED, detail=f"it cannot be read: {error}", fix=fix)
    if answer != "ok":
        return Check(label="journal", state=FAILED, detail=answer, fix=f"Move {path} away; operations go on.")
    return Check(label="journal", state=OK, detail=f"{path} ({size_kb:.0f} kB)")


async def check_engine(settings: CloudSettings) -> Check:
    from .client import program_version
    from .engine.commands import ask_status

    try:
        status = await ask_status(settings)
    except EngineUnavailable as error:
        return Check(label="engine", state=WARNING, detail=error.title, fix=error.hint)
    except RecoveryError as error:
        return failed("engine", error)
    if status is None:
        return Check(label="engine", state=OK, detail=f"none runs; the console starts {program_version()}")
    detail = f"{status.version}, process {status.pid}, {status.running} operations running"
    return Check(label="engine", state=OK, detail=detail)


async def check_endpoint(settings: CloudSettings) -> AsyncIterator[Check]:
    """Reachability and the clock, without a sign-in."""
    import aiohttp

    from .services.azure_failures import translate
    from .services.transport import proxy_for, ssl_context

    url = f"{settings.endpoint}/metadata/endpoints?api-version=2022-09-01"
    started = time.perf_counter()
    try:
        connector = aiohttp.TCPConnector(ssl=ssl_context(settings.ca_file))
        limit = aiohttp.ClientTimeout(total=REACH_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as http,
            http.get(url, proxy=proxy_for(url)) as answer,
        ):
            date = answer.headers.get("Date", "")
            took_ms = (time.perf_counter() - started) * 1000
    except (aiohttp.ClientError, TimeoutError, OSError, RecoveryError) as error:
        wrapped = error if isinstance(error, RecoveryError) else translate(error, settings.endpoint)
        fix = wrapped.hint or "Check network, proxy (HTTPS_PROXY, NO_PROXY) and --arm-endpoint."
        yield Check(label="endpoint", state=FAILED, detail=wrapped.title, fix=fix)
        return
    yield Check(label="endpoint", state=OK, detail=f"{settings.endpoint} answers in {took_ms:.0f} ms")
    if date:
        yield clock_check(date, own_clock=settings.name == "custom")


def clock_check(date_header: str, *, own_clock: bool) -> Check:
    try:
        skew_s = (parsedate_to_datetime(date_header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return Check(label="clock", state=WARNING, detail=f"the service's Date cannot be read: {date_header}")
    detail = f"the service is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine"
    if abs(skew_s) <= MOST_SKEW_S:
        return Check(label="clock", state=OK, detail=detail)
    if own_clock:
        return Check(label="clock", state=OK, detail=f"{detail}; ages are counted from its clock")
    return Check(label="clock", state=WARNING, detail=detail, fix="Set the clock, with chrony or the like.")


async def check_sign_in(session: Session) -> Check:
    from .services.azure_failures import azure_errors

    async with azure_errors("The sign-in"):
        token = await session._credential.get_token_info(f"{session.endpoint}/.default")
    left_s = token.expires_on - time.time()
    who = who_is(token.token)
    detail = f"{session.identity}{f' as {who}' if who else ''}, token good for {left_s / 60:.0f} min"
    if left_s < 0:
        return Check(label="sign-in", state=FAILED, detail="the token has expired", fix="Sign in: az login")
    return Check(label="sign-in", state=OK, detail=detail)


def who_is(token: str) -> str:
    """Name and tenant in an access token, read without checking it, for display; empty when it is opaque."""
    try:
        payload = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return ""
    name = next((claims[key] for key in ("upn", "unique_name", "appid", "oid") if claims.get(key)), "")
    tenant = claims.get("tid", "")
    return f"{name} in tenant {tenant}" if name and tenant else str(name or tenant)


async def check_subscriptions(session: Session) -> AsyncIterator[Check]:
    from .actions import ALL
    from .services.permissions import missing_actions

    ids = await session.subscriptions()
    if not ids:
        fix = "Ask for a role on one, or sign in to another tenant (az login --tenant …)."
        yield Check(label="subscriptions", state=FAILED, detail="this sign-in sees none", fix=fix)
        return
    yield Check(label="subscriptions", state=OK, detail=f"{len(ids)} to look at")
    names = await session.subscription_names()
    wanted = tuple(dict.fromkeys(permission for action in ALL for permission in action.permissions))
    for subscription in ids[:SUBSCRIPTIONS_ASKED]:
        label = f"permissions on {names.get(subscription) or subscription}"
        try:
            missing = await missing_actions(session, f"/subscriptions/{subscription}", wanted)
        except RecoveryError as error:
            yield failed(label, error)
            continue
        if not missing:
            yield Check(label=label, state=OK, detail=f"all {len(wanted)} that the actions need")
        else:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            fix = (
                "Looking works; for acting ask for Backup Operator, Site Recovery Operator (to disable it "
                "Contributor), VM Contributor."
            )
            detail = f"missing here: {', '.join(missing[:3])}{more} (a vault or group may still give them)"
            yield Check(label=label, state=WARNING, detail=detail, fix=fix)


async def findings(settings: CloudSettings) -> AsyncIterator[Check]:
    for check in check_folders(settings):
        yield check
    yield check_journal(settings)
    yield await check_engine(settings)
    reached = True
    async for check in check_endpoint(settings):
        reached = reached and check.state is not FAILED
        yield check
    if not reached:
        return
    from .services.session import Session

    step = "sign-in"
    try:
        async with Session(settings) as session:
            yield await check_sign_in(session)
            step = "subscriptions"
            async for check in check_subscriptions(session):
                yield check
    except Exception as error:  # a doctor that falls ill must still say so
        yield failed(step, error)


async def report(settings: CloudSettings, *, as_json: bool) -> int:
    """Exit code: of the worst finding; with JSON 0, which says that the report is complete."""
    worst = 0
    async for check in findings(settings):
        worst = max(worst, {OK: 0, WARNING: 1}.get(check.state, 2))
        if as_json:
            print(msgspec.json.encode(check).decode(), flush=True)
        else:
            print(f"{check.state.value:<8} {check.label}: {check.detail} {check.fix}".rstrip(), flush=True)
    return 0 if as_json else worst


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m azure_ops.doctor", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    os.umask(0o077)
    try:
        return asyncio.run(report(from_namespace(arguments), as_json=arguments.json))
    except ValueError as error:
        print(f"azrecover doctor: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
