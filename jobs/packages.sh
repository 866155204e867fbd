#!/usr/bin/env bash
# Installs the Debian 12 packages that qsweep needs and that are not there yet. Works as root, or as a user with sudo.
#   jobs/packages.sh          to build and run
#   jobs/packages.sh --test   to run the tests as well
set -euo pipefail

packages=(
  g++ cmake ninja-build
  libopenmpi-dev openmpi-bin libprotobuf-dev protobuf-compiler libonnx-dev libopenblas-serial-dev libdnnl-dev
  libhdf5-dev libcli11-dev libyaml-cpp-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libssl-dev libjpeg62-turbo-dev libpng-dev libjs-chart.js
)
if [ "${1:-}" = --test ]; then
  packages+=(libgtest-dev libbenchmark-dev libonnx-testdata clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libomp-14-dev
    python3-venv ca-certificates procps)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "packages.sh: error: installing needs root or sudo: ${missing[*]}" >&2; exit 4; }
  sudo=sudo
fi
echo "installing: ${missing[*]}" >&2
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
