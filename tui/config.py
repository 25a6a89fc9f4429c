"""The user's settings: `config.toml` in the XDG configuration folder. Read by `cli.py`, shown by `doctor`.

A key nobody knows is refused with file and key: a misspelt `read_onyl = true` must not be silently ignored.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec


class ConfigUnusable(Exception):
    """One line: file, key and what is wrong with it."""


class Config(msgspec.Struct, frozen=True):
    read_only: bool = False
    """True takes away every action above risk 0; the engine refuses them too."""
    times: str = "utc"
    """`utc` or `local`: how points in time are written."""
    theme: str = "azrecover"
    """`azrecover`, `azrecover-light`, or a theme of Textual; `ansi-dark` has the terminal's own colours."""
    colours: str = "auto"
    """`auto`, `16`, `256` or `true`. `auto` asks for 256: a quarter fewer bytes than true colour."""
    refresh_s: int = 0
    """Seconds between two refreshes asked by this console; 0 leaves the pace to the engine, which knows what
    Azure's request budget allows."""
    bell: bool = True
    """Ring the terminal's bell when an operation ends."""
    keys: dict[str, str] = {}
    """Other keys: action or command id → key, such as `test-failover = "f5"`. The ids are in docs/keys.md."""
    path: Path | None = None
    """Where it was read from; None when there is no file."""


CHOICES = {"times": ("utc", "local"), "colours": ("auto", "16", "256", "true")}
SHORTEST_REFRESH_S = 5


def config_path() -> Path:
    """`$XDG_CONFIG_HOME/azrecover/config.toml`, or below `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "azrecover" / "config.toml"


def load(path: Path | None = None) -> Config:
    """The settings of this user; defaults when there is no file. Raises `ConfigUnusable`."""
    path = path or config_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigUnusable(f"{path} cannot be read: {error}") from error
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigUnusable(f"{path} is not TOML: {error}") from error
    return Config(**{name: _checked(path, name, value) for name, value in document.items()}, path=path)


def _checked(path: Path, name: str, value: Any) -> Any:
    known = [name for name in Config.__struct_fields__ if name != "path"]
    if name not in known:
        raise ConfigUnusable(f"{path}: unknown key {name!r}{_nearest(name, known)}")
    wanted: type = {"read_only": bool, "bell": bool, "refresh_s": int, "keys": dict}.get(name, str)
    if type(value) is not wanted:
        raise ConfigUnusable(f"{path}: {name} must be {_WORDS[wanted]}, not {value!r}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigUnusable(f"{path}: {name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if name == "refresh_s":
        _check_pace(path, value)
    if name == "keys":
        _check_keys(path, value)
    return value


def _check_pace(path: Path, value: Any) -> None:
    if value and value < SHORTEST_REFRESH_S:
        raise ConfigUnusable(f"{path}: refresh_s must be 0 or at least {SHORTEST_REFRESH_S}, not {value}")


def _check_keys(path: Path, remaps: Any) -> None:
    for id, key in remaps.items():
        if not isinstance(key, str) or not key:
            raise ConfigUnusable(f"{path}: keys.{id} must be a key in quotes, not {key!r}")


_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text in quotes",
    dict: "a table",
}


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f" (do you mean {close[0]!r}?)" if close else f"; known are {', '.join(known)}"
