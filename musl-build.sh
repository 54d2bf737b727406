#!/usr/bin/env bash
# Builds the static binaries of both architectures into dist/.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v cc >/dev/null; then
	echo "installing gcc: the build scripts of dependencies are linked for this host"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
fi
for architecture in x86_64 aarch64; do
	target=$architecture-unknown-linux-musl
	if ! rustup target list --installed | grep -qx "$target"; then
		echo "installing the Rust target $target"
		rustup target add "$target"
	fi
	cargo build --quiet --release --locked --target "$target"
	install -D -m 755 "target/$target/release/recorderd" "dist/recorderd-$architecture"
	echo "dist/recorderd-$architecture: $(stat -c %s "dist/recorderd-$architecture") bytes"
done
