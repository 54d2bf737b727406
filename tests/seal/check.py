#!/usr/bin/python3
"""Checks the checkpoints of one file of a log: check.py KEY-FILE LOG-FILE. Needs openssl."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

DER = bytes.fromhex("302a300506032b6570032100")  # what stands before an Ed25519 key in RFC 8410


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def is_signed(key, text, signature):
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("key", "text", "signature")]
        for name, content in zip(names, (DER + key, text, signature)):
            with open(name, "wb") as file:
                file.write(content)
        words = "openssl pkeyutl -verify -pubin -keyform DER -rawin -inkey {} -in {} -sigfile {}"
        return subprocess.run(words.format(*names).split(), stdout=subprocess.DEVNULL).returncode == 0


expected = base64.b64decode(open(sys.argv[1]).read().split("+", 2)[2])[1:]
leaves, count = [], 0
for line in open(sys.argv[2], "rb").read().split(b"\n")[:-1]:
    event = json.loads(line)
    if event["event"] == "recorder.checkpoint":
        text, _, signature = event["checkpoint"].partition("\n\n")
        text += "\n"
        fields = dict(row.split(" ", 1) for row in text.splitlines()[3:])
        key = base64.b64decode(fields["key"])
        assert key == expected, f"checkpoint {count}: another key"
        assert is_signed(key, text.encode(), base64.b64decode(signature.split()[2])[4:]), f"checkpoint {count}: signature"
        assert int(text.splitlines()[1]) == len(leaves), f"checkpoint {count}: lines"
        assert base64.b64decode(text.splitlines()[2]) == root(leaves), f"checkpoint {count}: root"
        expected = base64.b64decode(fields["next"])
        count += 1
    leaves.append(hashlib.sha256(b"\0" + line).digest())
print(count)
