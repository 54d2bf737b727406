/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.network of connections, and the other events of sockets that connect, accept or listen.
 */
#include "network.h"

/* The numbers of connect. */
#define X86_CONNECT 42
#define ARM64_CONNECT 203

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
	struct record *connecting;
	struct record *record;
	struct slot *slot;
	__u64 time;
	int error;

	connecting = awaited(sk);
	if (!connecting)
		return 0;
	if (state == TCP_ESTABLISHED)
		client_add(connecting->session, sk);
	/* A session whose last process has closed the socket at its end is told of already. */
	if (bpf_map_lookup_elem(&sessions, &connecting->session) &&
	    !family_left_out(connecting->session, FAMILY_NETWORK_RESULT)) {
		slot = slot_for(connecting->session, FAMILY_NETWORK_RESULT);
		if (slot) {
			result = (struct network_result *)slot->record;
			slot->length = sizeof(*result);
			record = &result->record;
			time = slot->claim.time;
			*record = *connecting;
			record->time = time;
			record->kind = KIND_NETWORK_RESULT;
			endpoints(sk, 1, &result->source, &result->destination);
			result->connection = (__u64)sk;
			result->duration = time - connecting->time;
			error = sk->sk_err;
			/* Closed without an error: the program has given up. */
			result->result = state == TCP_ESTABLISHED ? 0 : error ? -error : -ECANCELED;
			record_send(slot, &network_ring, FAMILY_NETWORK_RESULT, 0);
		}
	}
	await_no_more(sk);
	return 0;
}

/* What comes by interrupt can come between the two copies of what the process itself does. */
static __always_inline __u32 led_at(__u64 *context)
{
	int state = context[2];

	return state == TCP_SYN_SENT || state == TCP_LISTEN ? PROBE_NETWORK_STATE : SEAT_OF_RESULTS;
}

static int state_body(__u64 *context);

SEC("tp_btf/inet_sock_set_state")
int network_state(__u64 *context)
{
	return leads_in(PROBE_NETWORK_STATE, led_at(context)) ? state_body(context) : 0;
}

SEC("tp_btf/inet_sock_set_state")
int network_state_again(__u64 *context)
{
	return follows_in(PROBE_NETWORK_STATE, led_at(context)) ? state_body(context) : 0;
}

static __always_inline int state_body(__u64 *context)
{
	struct sock *sk = (void *)context[0];
	int before = context[1], state = context[2];
	struct process *process, *known;
	struct sock *owner;
	long number;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	/* Two ends that connect to each other at once meet in between. */
	if (before == TCP_SYN_RECV || (before == TCP_SYN_SENT && state != TCP_SYN_RECV))
		return result_send(sk, state);
	if (state != TCP_SYN_SENT && state != TCP_LISTEN)
		return 0;
	known = known_process();
	process = recorded_process(known);
	owner = known ? owner_of(sk) : sk;
	if (!process && known && is_forwarding(owner))
		process = broker_process();
	if (!process || (process->role == ROLE_BROKER && !is_forwarding(owner))) {
		/* The socket may have been of a session before, and its result have been missed. */
		await_no_more(sk);
		return 0;
	}
	number = syscall_number();
	/* The ends of a broker's calls are not looked at. */
	if (state == TCP_SYN_SENT && process->role == ROLE_USER) {
		if ((number == X86_CONNECT || number == ARM64_CONNECT) && !process->connecting)
			process->connecting = mark_of(owner);
		else
			begun_note(owner);
	}
	network_send(process->session, sk, 1,
		     state == TCP_LISTEN ? OPERATION_LISTEN : OPERATION_CONNECT, via_of(number));
	return 0;
}

/* The socket behind a descriptor, if it is one. */
static __noinline struct sock *socket_at(int descriptor)
{
	struct file *file = file_of(descriptor);

	return file ? socket_of(file) : NULL;
}

SYSCALL_EXIT(network_connect, PROBE_NETWORK_CONNECT)
{
	struct process *process = recorded_user(context->process);
	struct attempt attempt = {.process = process};

	if (!process)
		return 0;
	attempt.session = process->session;
	attempt.sk = socket_at(exit_argument(context, 0));
	attempt.address = exit_argument(context, 1);
	attempt.length = exit_argument(context, 2);
	attempt.result = context->result;
	attempt.via = context->via;
	return connect_end(&attempt);
}

SYSCALL_EXIT(network_accept, PROBE_NETWORK_ACCEPT)
{
	struct process *process = recorded_user(context->process);
	struct attempt attempt = {};

	if (!process || context->result < 0)
		return 0;
	attempt.session = process->session;
	attempt.via = context->via;
	attempt.sk = socket_at(context->result);
	return accept_end(&attempt);
}
