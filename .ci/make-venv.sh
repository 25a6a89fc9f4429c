#!/bin/sh
# Makes the virtual environment of `make`: pinned, hashed packages, then this checkout in place.
# usage: make-venv.sh PYTHON VENV
set -eu
python=$1
venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "azrecover needs Python 3.11 or newer; say where it is: make PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # Debian and Ubuntu ship Python without it.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Python lacks its venv module: installing Debian's python3-venv"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    else
        echo "Python lacks its venv module; install it and run make again: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
echo "Installing into $venv (once, about a minute)"
"$python" -m venv --clear "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check --no-input -q"
$pip install --require-hashes -r constraints.txt
$pip install --no-deps --no-build-isolation --editable .
