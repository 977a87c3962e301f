#!/bin/sh
# Makes or completes a virtual environment: scripts/venv.sh FOLDER EXTRAS, from the top of the clone.
# Takes $PYTHON, or the first Python >= 3.10 that can make one. Exit code 3: this machine lacks something, and
# the last line says what to do about it.
set -eu
venv=$1
extras=$2

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

if ! { is_new_enough "$venv/bin/python" && "$venv/bin/python" -c 'import pip'; }; then
    found=
    python=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python3.14}; do
        is_new_enough "$candidate" || continue
        found=$candidate
        if can_make_venv "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "edge-client needs Python 3.10 or newer, and ${PYTHON:-python3} is older or missing." >&2
        exit 3
    fi
    if [ -z "$python" ]; then
        echo "$found cannot make virtual environments here; install what is missing and run make again:" >&2
        echo "sudo apt-get install -y python3-venv" >&2
        exit 3
    fi
    echo "Making $venv with $python"
    "$python" -m venv --clear "$venv"
fi
echo "Installing [$extras] into $venv (a minute or two the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
