/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* All probes in one object: they share their maps, and the daemon loads one file. */
#include "session.bpf.c"
#include "check.bpf.c"
#include "syscall.bpf.c"
#include "command.bpf.c"
#include "identity.bpf.c"
#include "channel.bpf.c"
#include "disk.bpf.c"
#include "change.bpf.c"
#include "map.bpf.c"
#include "network.bpf.c"
#include "socket.bpf.c"
#include "send.bpf.c"
#include "packet.bpf.c"
#include "privilege.bpf.c"
#include "uring.bpf.c"
#include "missed.bpf.c"

/* Never called: it keeps the types of record.h in the BTF, where tests/layout.rs looks for them. */
struct layout {
	struct session_start session_start;
	struct session_end session_end;
	struct environment environment;
	struct identity identity;
	struct command command;
	struct arguments arguments;
	struct process_exit process_exit;
	struct disk disk;
	struct network network;
	struct network_result network_result;
	struct local_connect local_connect;
	struct privilege privilege;
	struct finding finding;
	struct send send;
	struct sends sends;
	struct dns dns;
	struct vsock vsock;
	struct packet_socket packet_socket;
	struct missed missed;
	struct channel channel;
	enum send_mark send_mark;
	enum family family;
	enum loss loss;
	enum table table;
	enum login login;
	enum kind kind;
	enum via via;
	enum path_note path_note;
	enum text text;
	enum command_mark command_mark;
	enum disk_operation disk_operation;
	enum disk_text disk_text;
	enum operation operation;
	enum privilege_operation privilege_operation;
	enum target target;
	enum finding_kind finding_kind;
	enum role role;
	enum reader reader;
	enum verdict verdict;
	enum probe probe;
};

int layout(struct layout *layout)
{
	return !layout;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
