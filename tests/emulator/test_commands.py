"""The command line: every command as a process, and every way it can go wrong in one clear line."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from azure_ops.cloud import CloudSettings

from ..support import Emulator

READY_KEYS = [
    "endpoint",
    "ca_file",
    "identity_endpoint",
    "identity_header",
    "tenant_id",
    "subscription_ids",
    "state_dir",
    "pid",
]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(state: Path) -> Run:
    """Runs one command on the state directory."""

    def command(
        *words: str, folder: Path = state, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "azure_ops.emulator", *words, "--state", str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=env,
        )

    return command


def one_line(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("azrecover emulator: ")
    assert words in done.stderr


def test_serve_prints_one_line_with_the_agreed_keys(emulator: Emulator) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "azure_ops.emulator", "serve", "--reuse", "--state", str(emulator.state_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    ready = json.loads(again.stdout)
    assert list(ready) == READY_KEYS
    assert ready["pid"] == emulator.pid


def test_start_use_and_stop(run: Run, state: Path) -> None:
    started = run("start", "--speed", "0")
    assert started.returncode == 0, started.stderr
    try:
        ready = json.loads(started.stdout)
        assert list(ready) == READY_KEYS
        assert all(file.stat().st_mode & 0o077 == 0 for file in Path(ready["state_dir"]).iterdir())
        assert run("start").stdout == started.stdout
        assert run("start", "--fleet", "contoso").stdout == started.stdout
        one_line(run("start", "--fleet", "7"), 3, "already runs")
        one_line(run("serve"), 3, "already runs")
        status = json.loads(run("status", "--json").stdout)
        assert (status["pid"], status["speed"], status["fleet"]) == (ready["pid"], 0.0, "contoso")
        assert "identity_header" not in status
        assert "contoso" in run("status").stdout
        moved = run("clock", "--advance", "60", "--speed", "2")
        assert moved.stdout.endswith("speed 2\n")
    finally:
        stopped = run("stop")
    assert stopped.stdout == f"stopped {ready['endpoint']}\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(ready["endpoint"].rpartition(":")[2])))
    one_line(run("stop"), 1, "no emulator runs on")
    one_line(run("status"), 1, "no emulator runs on")
    one_line(run("env"), 2, "azrecover emulator serve")


def test_two_starts_in_one_moment_make_one_emulator(run: Run) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: run("start", "--speed", "0"), range(2))
    try:
        assert first.returncode == second.returncode == 0, first.stderr + second.stderr
        assert first.stdout == second.stdout
    finally:
        run("stop")


def test_env_points_a_shell_at_the_emulator(emulator: Emulator) -> None:
    exports = subprocess.run(
        [sys.executable, "-m", "azure_ops.emulator", "env", "--state", str(emulator.state_dir)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shell = subprocess.run(
        ["sh", "-c", f"{exports}\nenv"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MSI_ENDPOINT": "http://elsewhere", "AZURE_CLIENT_ID": "somebody"},
    ).stdout
    seen = dict(line.split("=", 1) for line in shell.splitlines() if "=" in line)
    expected = {k: v for k, v in emulator.env.items() if k.startswith(("AZ", "IDENTITY", "REQ", "NO_"))}
    assert expected.items() <= seen.items()
    assert not {"MSI_ENDPOINT", "AZURE_CLIENT_ID"} & set(seen)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["serve", "--fleet", "20001"], "a fleet has 1 to 20000 VMs"),
        (["serve", "--fleet", "0"], "a fleet has 1 to 20000 VMs"),
        (["serve", "--speed", "-1"], "not a number from 0"),
        (["serve", "--speed", "fast"], "not a number from 0"),
        (["serve", "--speed", "nan"], "not a number from 0"),
        (["serve", "--port", "70000"], "not a port"),
        (["serve", "--now", "yesterday"], "not a time such as"),
        (["serve", "--sped", "1"], "unrecognized arguments"),
        (["fault", "add", "explode"], "invalid choice"),
        (["sevre"], "invalid choice"),
        (["fault"], "invalid choice"),
    ],
)
def test_wrong_words(run: Run, words: list[str], text: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_fleet(run: Run) -> None:
    one_line(run("serve", "--fleet", "fabrikam"), 2, "fabrikam")


def test_a_state_directory_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("serve", "start"):
        one_line(run(command, folder=tmp_path / "file" / "state"), 2, "--state")


def test_a_state_directory_that_cannot_be_written(run: Run) -> None:
    one_line(run("serve", folder=Path("/proc/azrecover")), 2, "--state")


def test_a_damaged_world(run: Run, state: Path) -> None:
    state.mkdir()
    (state / "world.sqlite").write_bytes(b"not a database, " * 300)
    one_line(run("serve"), 2, "world.sqlite")
    failed = run("start")
    one_line(failed, 2, "--fresh")
    started = run("start", "--fresh", "--speed", "0")
    assert started.returncode == 0, started.stderr
    run("stop")


def test_a_fresh_world_takes_nothing_that_was_good_in_the_old_one(run: Run, state: Path) -> None:
    """Consoles and engines must not carry tokens, journals or the trust of one world into the next."""
    before = json.loads(run("start", "--speed", "0").stdout)
    run("stop")
    again = json.loads(run("start", "--speed", "0").stdout)
    run("stop")
    settings = [
        CloudSettings(arm_endpoint=each["endpoint"], ca_file=each["ca_file"]) for each in (before, again)
    ]
    old_key = settings[0].key
    assert settings[1].key == old_key
    fresh = json.loads(run("start", "--fresh", "--speed", "0").stdout)
    run("stop")
    assert fresh["endpoint"] == before["endpoint"]
    assert fresh["identity_header"] != before["identity_header"]
    assert settings[0].key != old_key


def test_a_world_of_another_version(run: Run, state: Path) -> None:
    import sqlite3

    run("start", "--speed", "0")
    run("stop")
    database = sqlite3.connect(state / "world.sqlite")
    database.execute("""UPDATE records SET body = '{"id": 7}' WHERE seq = 3""")
    database.commit()
    database.close()
    one_line(run("serve"), 2, "--fresh")


def test_damaged_secrets(run: Run, state: Path) -> None:
    state.mkdir()
    for text in ("{", '{"identity_header": "x", "token_key": "no hex"}'):
        (state / "secrets.json").write_text(text)
        one_line(run("serve"), 2, "delete it")


def test_another_fleet_in_the_folder(run: Run) -> None:
    run("start", "--speed", "0")
    run("stop")
    one_line(run("serve", "--fleet", "5"), 2, "holds the fleet contoso")


def test_a_taken_port(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        one_line(run("serve", "--port", str(taken.getsockname()[1])), 2, "choose another --port")


def test_the_former_port_taken_meanwhile(emulator: Emulator) -> None:
    port = int(emulator.endpoint.rpartition(":")[2])
    emulator.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        emulator.restart()
        assert not emulator.endpoint.endswith(f":{port}")
        assert emulator.get("/subscriptions").status == 200


def test_only_the_owner_can_read_anything(emulator: Emulator) -> None:
    emulator.get("/subscriptions")
    assert emulator.state_dir.stat().st_mode & 0o777 == 0o700
    for file in emulator.state_dir.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def test_the_certificates_pass_strict_checks(emulator: Emulator) -> None:
    context = ssl.create_default_context(cafile=emulator.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    port = int(emulator.endpoint.rpartition(":")[2])
    for name in ("127.0.0.1", "localhost"):
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            assert secured.version() == "TLSv1.3"


@pytest.mark.parametrize("damage", ["expired", "leaf", "authority", "key"])
def test_certificates_that_are_no_good_any_more_are_made_anew(emulator: Emulator, damage: str) -> None:
    emulator.stop()
    folder = emulator.state_dir
    authority = (folder / "ca.pem").read_bytes()
    if damage == "expired":
        expire(folder)
    else:
        name = {"leaf": "server.pem", "authority": "ca.pem", "key": "ca.key"}[damage]
        (folder / name).write_text("damaged")
    emulator.restart()
    assert emulator.get("/subscriptions").status == 200
    assert ((folder / "ca.pem").read_bytes() == authority) == (damage in ("expired", "leaf"))


def expire(folder: Path) -> None:
    """Puts a server certificate of the same authority in place that ran out yesterday."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    old = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=9))
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    (folder / "server.pem").write_bytes(signed.public_bytes(Encoding.PEM))


def test_the_admin_endpoint_wants_the_header(emulator: Emulator) -> None:
    emulator.identity_header = "guessed"
    with pytest.raises(AssertionError, match="X-IDENTITY-HEADER"):
        emulator.status()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", {"advance_s": -1}),
        ("clock", {"speed": -1}),
        ("clock", {"speed": "fast"}),
        ("clock", {"forward": 1}),
        ("devicecode/approve", {"user": "root"}),
        ("devicecode/approve", {"user_code": "ABC"}),
        ("nothing", {}),
    ],
)
def test_wrong_admin_requests_are_refused_and_harm_nothing(
    shared_emulator: Emulator, path: str, body: dict[str, object]
) -> None:
    before = shared_emulator.status()
    with pytest.raises(AssertionError):
        shared_emulator.admin("POST", path, body)
    assert shared_emulator.status() == before
