/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* All probes in one object: they share their maps, and the daemon loads one file. */
#include "session.bpf.c"
#include "check.bpf.c"
#include "syscall.bpf.c"
#include "command.bpf.c"
#include "identity.bpf.c"
#include "channel.bpf.c"
#include "terminal.bpf.c"
#include "disk.bpf.c"
#include "change.bpf.c"
#include "map.bpf.c"
#include "network.bpf.c"
#include "socket.bpf.c"
#include "send.bpf.c"
#include "packet.bpf.c"
#include "privilege.bpf.c"
#include "received.bpf.c"
#include "signal.bpf.c"
#include "uring.bpf.c"
#include "missed.bpf.c"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
