"""`python -m tests.bench [startup|keys|inventory|requests …]`: all measurements of this run in one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from tests.bench import files, inventory, keys, requests, startup, timeline


class Printed(Protocol):
    def line(self) -> str: ...


PARTS: dict[str, Callable[[], Iterator[Printed]]] = {
    "startup": startup.measure,
    "inventory": inventory.measure,
    "keys": keys.measure,
    "files": files.measure,
    "timeline": timeline.measure,
    "requests": requests.measure,
}


def main(chosen: list[str]) -> int:
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(f"{'':<62}{'value':>12} {'':<6}{'floor':>10} {'ratio':>7}")
    for name in chosen or PARTS:
        for figure in PARTS[name]():
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
