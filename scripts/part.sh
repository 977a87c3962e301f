#!/bin/sh
# Runs one part of the gate and notes how long it took, so that a part that grows is seen:
#     scripts/part.sh NAME COMMAND...    scripts/part.sh --table    scripts/part.sh --forget
# From the top of the clone; the exit code is the command's.
set -u
notes=build/parts.txt

case $1 in
--forget)
    rm -f "$notes"
    ;;
--table)
    echo "How long each part took:"
    awk '{ printf "  %-10s %5d s\n", $1, $2; sum += $2 } END { printf "  %-10s %5d s\n", "together", sum }' "$notes"
    ;;
*)
    name=$1
    shift
    start_s=$(date +%s)
    "$@"
    code=$?
    mkdir -p build
    echo "$name $(($(date +%s) - start_s))" >>"$notes"
    exit $code
    ;;
esac
