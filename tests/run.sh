#!/usr/bin/env bash
# Installs what is missing, builds qsweep with its tests and runs them, cheapest first.
#   tests/run.sh           everything
#   tests/run.sh --quick   format, release build, all tests but the slow ones
#   tests/run.sh --tidy    everything, with clang-tidy over the whole tree instead of the files that the last commit changes
# Real models and images are used when they lie in ../shared/data; without them those tests say that they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-}
stage() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }

jobs/packages.sh --test

stage "format"
mapfile -t sources < <(find src io ranks sweep tests bench -name '*.cc' -o -name '*.h')
clang-format-14 --dry-run --Werror "${sources[@]}"

stage "release build"
cmake -S . -B build -G Ninja -DQSWEEP_TESTS=ON -DQSWEEP_BENCH=ON
cmake --build build --parallel

# The tests that compare with ONNX Runtime, h5py and pycocotools need them from PyPI.
if [ ! -x build/venv/bin/python ]; then
  python3 -m venv build/venv && build/venv/bin/pip install -q -r tests/requirements.txt ||
    { rm -rf build/venv; echo "skipped: tests against ONNX Runtime and h5py (PyPI cannot be reached)"; }
fi
[ -d ../shared/data ] || echo "skipped: tests on real models and images (../shared/data is not there)"

stage "tests"
exclude=()
if [ "$mode" = --quick ]; then exclude=(-LE slow); fi
ctest --test-dir build --output-on-failure "${exclude[@]}"
if [ "$mode" = --quick ]; then exit 0; fi

stage "clang-tidy"
if [ "$mode" = --tidy ]; then tests/tidy.sh --all; else tests/tidy.sh; fi

stage "address and undefined-behaviour sanitizers, fuzz targets"
cmake -S . -B build/sanitize -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Sanitize \
  -DQSWEEP_FUZZ=ON -DQSWEEP_SANITIZE=address,undefined
fuzzers=(fuzz_onnx fuzz_job fuzz_npy fuzz_image_list fuzz_picture fuzz_annotations fuzz_timings fuzz_records)
cmake --build build/sanitize --parallel --target unit_tests "${fuzzers[@]}"
# Open MPI and the BLAS keep memory until exit, so leaks are not looked for.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
ctest --test-dir build/sanitize --output-on-failure --parallel "$(nproc)" -L unit

stage "fuzzing every parser for a few seconds"
seeds=$(mktemp -d)
cp tests/io/data/pictures/*.* tests/io/data/pictures/forms/* jobs/demo/demo.yaml jobs/demo/demo_cnn.onnx "$seeds"
echo '{"images":[{"id":1,"file_name":"a.png","width":4,"height":4}],"categories":[{"id":1,"name":"c"}],
"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,2,2],"area":4,"iscrowd":0}]}' >"$seeds/instances.json"
export seeds
printf '%s\n' "${fuzzers[@]}" | xargs -P "$(nproc)" -I{} bash -o pipefail -c \
  'build/sanitize/tests/fuzz/{} -max_total_time=15 -rss_limit_mb=4096 "$(mktemp -d)" "$seeds" 2>&1 | tail -40 | grep -E "^Done|ERROR|SUMMARY|^ +#[0-9]"'

stage "thread sanitizer: the ranks of one process"
cmake -S . -B build/threads -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Sanitize \
  -DQSWEEP_SANITIZE=thread
cmake --build build/threads --parallel --target ranks_thread_test qsweep
tests/threads.sh build/threads

stage "done"
