/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.network and session.local_connect: whom a session reaches, and who reaches it. */
#include "path.h"
#include "session.h"
#include "syscall.h"

/* The same number on all architectures. */
#define IO_URING_ENTER 426

/* TCP connects whose result is awaited, by the address of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct connecting);
} connects SEC(".maps");

/*
 * The sshd process of a root login makes the connections of port forwarding itself. They are told
 * from the work of PAM by their sockets, which do not block.
 */
static __always_inline int is_forwarding(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_flags) & O_NONBLOCK;
}

/* Not inlined: the kernel allows 512 bytes of stack for the longest chain of calls. */
static __noinline int network_send(struct process *process, struct sock *sk, __u32 operation,
				   __u32 protocol)
{
	struct connecting connecting = {};
	struct network *network;
	__u64 key = (__u64)sk;
	struct slot *slot;

	slot = record_begin(process->session, FAMILY_NETWORK, KIND_NETWORK, sizeof(*network));
	if (!slot)
		return 0;
	network = (struct network *)slot->record;
	if (syscall_number() == IO_URING_ENTER)
		network->record.via = VIA_IO_URING;
	endpoints(sk, &network->source, &network->destination);
	network->operation = operation;
	network->protocol = protocol;
	network->connection = 0;
	if (operation == OPERATION_CONNECT && protocol == IPPROTO_TCP) {
		connecting.session = process->session;
		connecting.time = network->record.time;
		connecting.pid = network->record.pid;
		connecting.audit_session_id = network->record.audit_session_id;
		connecting.cgroup_id = network->record.cgroup_id;
		connecting.via = network->record.via;
		__builtin_memcpy(connecting.program, network->record.program, PROGRAM_LENGTH);
		if (bpf_map_update_elem(&connects, &key, &connecting, BPF_ANY))
			lose(process->session, FAMILY_NETWORK_RESULT, LOSS_TABLE_FULL);
		else
			network->connection = key;
	}
	record_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

/* The result comes by interrupt: whose it is, only the entry tells. */
static __noinline int result_send(struct sock *sk, int state)
{
	struct network_result *result;
	struct connecting *connecting;
	__u64 key = (__u64)sk;
	struct record *record;
	struct slot *slot;
	int error;

	connecting = bpf_map_lookup_elem(&connects, &key);
	if (!connecting)
		return 0;
	if (state == TCP_ESTABLISHED)
		client_add(connecting->session, sk);
	/* A session whose last process has closed the socket at its end is told of already. */
	if (bpf_map_lookup_elem(&sessions, &connecting->session)) {
		slot = record_begin(connecting->session, FAMILY_NETWORK_RESULT, KIND_NETWORK_RESULT,
				    sizeof(*result));
		if (slot) {
			result = (struct network_result *)slot->record;
			record = &result->record;
			record->pid = connecting->pid;
			record->audit_session_id = connecting->audit_session_id;
			record->cgroup_id = connecting->cgroup_id;
			record->via = connecting->via;
			__builtin_memcpy(record->program, connecting->program, PROGRAM_LENGTH);
			endpoints(sk, &result->source, &result->destination);
			result->connection = key;
			result->duration = record->time - connecting->time;
			error = BPF_CORE_READ(sk, sk_err);
			/* Closed without an error: the program has given up. */
			result->result = state == TCP_ESTABLISHED ? 0 : error ? -error : -ECANCELED;
			record_send(slot, &network_ring, FAMILY_NETWORK_RESULT, 0);
		}
	}
	bpf_map_delete_elem(&connects, &key);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int network_state(__u64 *context)
{
	struct sock *sk = (void *)context[0];
	int before = context[1], state = context[2];
	struct process *process;
	__u64 key = (__u64)sk;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	/* Two ends that connect to each other at once meet in between. */
	if (before == TCP_SYN_RECV || (before == TCP_SYN_SENT && state != TCP_SYN_RECV))
		return result_send(sk, state);
	if (state != TCP_SYN_SENT && state != TCP_LISTEN)
		return 0;
	process = recorded_process();
	if (!process && is_forwarding(sk))
		process = broker_process();
	if (!process || (process->role == ROLE_BROKER && !is_forwarding(sk))) {
		/* The socket may have been of a session before, and its result have been missed. */
		bpf_map_delete_elem(&connects, &key);
		return 0;
	}
	network_send(process, sk, state == TCP_LISTEN ? OPERATION_LISTEN : OPERATION_CONNECT,
		     IPPROTO_TCP);
	return 0;
}

/* The name that was connected to, from the other end, or from the caller where there is none. */
static __always_inline void local_send(struct process *process, struct sock *sk, long result)
{
	struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	const char *typed = (void *)(syscall_argument(1) + 2 /* behind sun_family */);
	struct unix_address *address;
	struct local_connect *local;
	struct slot *slot;
	__u64 length;
	char first = 0;

	slot = record_begin(process->session, FAMILY_NETWORK, KIND_LOCAL_CONNECT, sizeof(*local));
	if (!slot)
		return;
	local = (struct local_connect *)slot->record;
	local->return_code = result;
	local->is_abstract = 0;
	local->path_notes = 0;
	if (!result && peer && BPF_CORE_READ(peer, path.dentry)) {
		walk_path(slot->index, (__u64)&peer->path);
		local->path_notes = slot->walk.notes;
		append_walked(slot);
	} else {
		bpf_probe_read_user(&first, sizeof(first), typed);
		local->is_abstract = !first;
		length = syscall_argument(2) - 2;
		if (result == 0 && peer) {
			address = BPF_CORE_READ(peer, addr);
			length = BPF_CORE_READ(address, len) - 2;
		}
		if (length > UNIX_PATH_MAX)
			length = UNIX_PATH_MAX;
		if (first)
			append_string(slot, UNIX_PATH_MAX, typed, bpf_probe_read_user_str);
		else if (!bpf_probe_read_user(slot->record + sizeof(*local), length, typed))
			slot->length = sizeof(*local) + length;
	}
	local->path_length = slot->length - sizeof(*local);
	record_send(slot, &network_ring, FAMILY_NETWORK, 0);
}

SYSCALL_EXIT(network_connect)
{
	struct process *process = recorded_user();
	struct file *file;
	struct sock *sk;
	__u32 protocol;
	__u16 family;

	if (!process)
		return 0;
	file = file_of(syscall_argument(0));
	sk = file ? socket_of(file) : NULL;
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (family == AF_UNIX)
		local_send(process, sk, context->result);
	else if (is_inet(family) && protocol != IPPROTO_TCP && !context->result)
		network_send(process, sk, OPERATION_CONNECT, protocol);
	return 0;
}

SYSCALL_EXIT(network_accept)
{
	struct process *process = recorded_user();
	struct file *file;
	struct sock *sk;

	if (!process || context->result < 0)
		return 0;
	file = file_of(context->result);
	sk = file ? socket_of(file) : NULL;
	if (sk && is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)))
		network_send(process, sk, OPERATION_ACCEPT, BPF_CORE_READ(sk, sk_protocol));
	return 0;
}
