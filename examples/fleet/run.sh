#!/bin/sh
# One engine, its standby and three sensor workers on the database that BIREME_DATABASE names. Ctrl-C ends them all.
set -eu
: "${BIREME_DATABASE:?postgresql://user@host/database}"
here=$(dirname "$0")
trap 'trap - INT TERM; kill 0; wait' INT TERM EXIT
bireme up "$here" --role engine &
bireme up "$here" --role engine &
for n in 1 2 3; do
  BIREME_DATA_DIR="${TMPDIR:-/tmp}/bireme-sensor-$n" bireme up --role sensor &
done
wait
