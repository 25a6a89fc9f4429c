"""The key table, its generated page, and the user's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui import cheatsheet, keys
from tui.config import Config, ConfigUnusable, load

ROOT = Path(__file__).parents[2]


def test_no_two_things_share_a_key() -> None:
    keys.check(keys.TABLE)


def test_ids_are_unique() -> None:
    ids = [key.id for key in keys.TABLE]
    assert len(ids) == len(set(ids))


def test_keys_that_act_are_upper_case_and_all_others_are_not() -> None:
    for key in (key for key in keys.TABLE if key.keys):
        acts = (key.section == keys.ACT and key.id != "menu") or key.id == "restore-files"
        upper = key.keys[0].isalpha() and key.keys[0].isupper()
        assert upper == acts or key.id in ("bottom", "loose-ends"), key.id


def test_every_action_has_a_key_and_every_key_that_acts_an_action() -> None:
    from azure_ops.actions import ALL

    acting = {key.id for key in keys.TABLE if key.section == keys.ACT} - keys.NO_ACTIONS
    assert acting == {action.id for action in ALL}


def test_every_key_of_the_main_screen_has_its_command() -> None:
    from tui.commands import Commands
    from tui.screens.console import COMMANDS

    of_the_screen = {"next-tab", "previous-tab", "back", "filter", "zoom", "unzoom"}
    rest = [id for id in COMMANDS if id not in of_the_screen and not id.startswith("pane-")]
    assert [id for id in rest if not hasattr(Commands, id.replace("-", "_"))] == []


def test_the_key_page_is_fresh() -> None:
    assert (ROOT / "docs" / "keys.md").read_text() == cheatsheet.page(), "run make keys"


def test_the_page_of_permissions_is_fresh() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text() == cheatsheet.permissions_page(), "run make keys"


def test_a_remap_moves_the_key() -> None:
    table = keys.KeyTable({"test-failover": "f5"})
    assert table.shown("test-failover") == "f5"
    assert table.shown("failover") == "O"


def test_an_action_without_a_key_may_be_given_one() -> None:
    assert keys.KeyTable().shown("protect") == ""
    table = keys.KeyTable({"protect": "Q"})
    assert table.shown("protect") == "Q"
    assert table.keymap() == {"protect": "Q"}
    assert [binding.key for binding in keys.bindings(["protect"], "act")] == ["none-protect"]


@pytest.mark.parametrize(
    ("remaps", "said"),
    [
        ({"test-failover": "O"}, "'O' is wanted by test-failover and by failover"),
        ({"fly": "x"}, "keys.fly: there is no such action"),
    ],
)
def test_a_clash_or_unknown_id_is_refused(remaps: dict[str, str], said: str) -> None:
    with pytest.raises(keys.KeyClash, match=said):
        keys.KeyTable(remaps)


def test_without_a_file_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path / "config.toml") == Config()


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('read_only = true\ntimes = "local"\nrefresh_s = 60\n[keys]\nquit = "Q"\n')
    found = load(path)
    assert (found.read_only, found.times, found.refresh_s, found.keys) == (True, "local", 60, {"quit": "Q"})
    assert found.path == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("read_onyl = true", "unknown key 'read_onyl' .do you mean 'read_only'"),
        ("colour = 3", "unknown key 'colour' .do you mean 'colours'"),
        ("read_only = 1", "read_only must be true or false, not 1"),
        ("refresh_s = true", "refresh_s must be a whole number, not True"),
        ("refresh_s = 1", "refresh_s must be 0 or at least 5"),
        ('times = "moon"', "times must be one of utc, local, not 'moon'"),
        ("[keys]\nquit = 7", "keys.quit must be a key in quotes, not 7"),
        ("read_only = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigUnusable, match=said) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigUnusable, match="cannot be read"):
        load(path)
