#!/usr/bin/env bash
# Installs what is missing, builds qsweep and runs the demo job on two MPI ranks.
#   jobs/demo.sh [RUN_DIRECTORY]      default: runs/demo
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/demo}

jobs/packages.sh
cmake -S . -B build -G Ninja -DQSWEEP_TESTS=OFF >/dev/null
cmake --build build --parallel

# Open MPI refuses root and more ranks than cores unless told otherwise; both are fine for a demo.
launch=(mpirun -n 2 --oversubscribe --bind-to none)
if [ "$(id -u)" -eq 0 ]; then launch+=(--allow-run-as-root); fi
mkdir -p "$(dirname "$out")"
"${launch[@]}" build/qsweep run jobs/demo/demo.yaml --out "$out"
