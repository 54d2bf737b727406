/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.network of connections, and the other events of sockets that connect, accept or listen.
 */
#include "network.h"

/*
 * The sshd process of a root login makes the connections of port forwarding itself. They are told
 * from the work of PAM by their sockets, which do not block.
 */
static __always_inline int is_forwarding(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_flags) & O_NONBLOCK;
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
	__u64 inode;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	/* Two ends that connect to each other at once meet in between. */
	if (before == TCP_SYN_RECV || (before == TCP_SYN_SENT && state != TCP_SYN_RECV))
		return result_send(sk, state);
	if (state != TCP_SYN_SENT && state != TCP_LISTEN)
		return 0;
	process = recorded_process();
	if (!process && is_known() && is_forwarding(sk))
		process = broker_process();
	if (!process || (process->role == ROLE_BROKER && !is_forwarding(sk))) {
		/*
		 * The socket may have been of a session before, and its result have been missed.
		 * Nearly none has: to look takes no lock, as it does to remove.
		 */
		if (bpf_map_lookup_elem(&connects, &key))
			bpf_map_delete_elem(&connects, &key);
		return 0;
	}
	if (state == TCP_SYN_SENT) {
		inode = inode_of(sk);
		bpf_map_update_elem(&begun, &key, &inode, BPF_ANY);
	}
	network_send(process->session, sk,
		     state == TCP_LISTEN ? OPERATION_LISTEN : OPERATION_CONNECT, via_now());
	return 0;
}

/* The socket behind a descriptor, if it is one. */
static __noinline struct sock *socket_at(int descriptor)
{
	struct file *file = file_of(descriptor);

	return file ? socket_of(file) : NULL;
}

SYSCALL_EXIT(network_connect)
{
	struct process *process = recorded_user();
	struct attempt attempt = {};

	if (!process)
		return 0;
	attempt.session = process->session;
	attempt.sk = socket_at(syscall_argument(0));
	attempt.address = syscall_argument(1);
	attempt.length = syscall_argument(2);
	attempt.result = context->result;
	return connect_end(&attempt);
}

SYSCALL_EXIT(network_accept)
{
	struct process *process = recorded_user();
	struct attempt attempt = {};

	if (!process || context->result < 0)
		return 0;
	attempt.session = process->session;
	attempt.sk = socket_at(context->result);
	return accept_end(&attempt);
}
