#!/usr/bin/env bash
# Builds the static binaries of both architectures, or of those named, into dist/.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v cc >/dev/null; then
	echo "installing gcc: the build scripts of dependencies are linked for this host"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
fi
if ! rustup component list --installed | grep -qx rust-src; then
	echo "installing the Rust component rust-src: the standard library is built with the binary"
	rustup component add rust-src
fi
# A standard library without backtraces and tables to unwind by is a quarter of the binary less. That
# can be asked for only where unstable options are allowed; the pinned toolchain keeps it as it is.
# Relocations of a program that can lie anywhere take a tenth of their size in the form of RELR.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cforce-unwind-tables=no -Clink-arg=--pack-dyn-relocs=relr"
# Messages of panics hold the paths of sources.
RUSTFLAGS+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
RUSTFLAGS+=" --remap-path-prefix=$(rustc --print sysroot)=rust"
standard=(-Zbuild-std=std,panic_abort -Zbuild-std-features=)
[ $# -gt 0 ] || set -- x86_64 aarch64
for architecture; do
	target=$architecture-unknown-linux-musl
	if ! rustup target list --installed | grep -qx "$target"; then
		echo "installing the Rust target $target"
		rustup target add "$target"
	fi
	cargo build --quiet --release --locked "${standard[@]}" --target "$target"
	install -D -m 755 "target/$target/release/recorderd" "dist/recorderd-$architecture"
	echo "dist/recorderd-$architecture: $(stat -c %s "dist/recorderd-$architecture") bytes"
done
(cd dist && sha256sum recorderd-* >SHA256SUMS)
