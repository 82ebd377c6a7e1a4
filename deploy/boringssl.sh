#!/bin/sh
# The full BoringSSL: fetched by cargo (the crate boring-sys carries its source), built by cmake and ninja, kept outside of the tree.
# usage: boringssl.sh FOLDER      it will be in FOLDER/VERSION; `make boringssl` calls it
set -eu
version=5.4.0
checksum=4986392770df40d11d0d6294b0dd8399570f4a6e76d6953c7a34f7dd1defbd76 # of boring-sys-VERSION.crate
mkdir -p "$1"
target=$(cd "$1" && pwd)/$version

for tool in cargo cmake ninja g++; do
    command -v "$tool" >/dev/null || { echo "$tool is missing, run as root: apt-get install cargo-web cmake ninja-build g++"; exit 1; }
done
work=$target.part
rm -rf "$work"
mkdir -p "$work/fetch/src"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# cargo wants a project that asks for it; nothing of that is built.
printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nboring-sys = "=%s"\n' "$version" >"$work/fetch/Cargo.toml"
: >"$work/fetch/src/lib.rs"
(cd "$work/fetch" && CARGO_HOME="$work/cargo" cargo fetch --quiet)
crate=$(echo "$work"/cargo/registry/cache/*/boring-sys-"$version".crate)
echo "$checksum  $crate" | sha256sum --check --quiet

source=$(echo "$work"/cargo/registry/src/*/boring-sys-"$version"/deps/boringssl)
cmake -GNinja -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
ninja -C "$work/build" ${JOBS:+-j"$JOBS"} crypto ssl

mkdir -p "$work/made/lib"
cp -r "$source/include" "$work/made/include"
cp "$source/LICENSE" "$work/made/LICENSE"
cp "$work/build/libssl.a" "$work/build/libcrypto.a" "$work/made/lib/"
rm -rf "$target"
mv "$work/made" "$target"
echo "BoringSSL of boring-sys $version is in $target: make links it from now on (make BORINGSSL= for Debian's)"
