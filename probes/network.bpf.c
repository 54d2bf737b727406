/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.network of connections, and the other events of sockets that connect, accept or listen.
 */
#include "network.h"

/*
 * The login server's process of a root login makes the connections of forwarding itself. They are
 * told from the work of PAM and of the C library by their sockets, which do not block.
 */
static __always_inline int is_forwarding(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_flags) & O_NONBLOCK;
}

static __noinline int is_closed_on_exec(__u32 descriptor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	unsigned long *bits = BPF_CORE_READ(table, close_on_exec);
	unsigned long word = 0;

	if (descriptor < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&word, sizeof(word), bits + descriptor / 64);
	return word >> (descriptor & 63) & 1;
}

/*
 * Whether a socket of any kind is forwarded, behind the end of its call. Clients of D-Bus and of
 * name services, which PAM and the C library are at the end of a login too, have theirs closed when
 * a program is run.
 */
static __noinline int is_forwarded(struct sock *sk, __u32 descriptor)
{
	__u16 family;

	if (!sk || !is_forwarding(sk))
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_UNIX)
		return !is_closed_on_exec(descriptor);
	return is_inet(family) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
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
	    !family_excluded(connecting->session, FAMILY_NETWORK_RESULT)) {
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
	return LEAD_IN(PROBE_NETWORK_STATE, led_at(context), state_body(context));
}

SEC("tp_btf/inet_sock_set_state")
int network_state_again(__u64 *context)
{
	return FOLLOW_IN(PROBE_NETWORK_STATE, led_at(context), state_body(context));
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
	owner = known ? owner_of(sk) : sk;
	process = carrying_process(known, known && (state == TCP_LISTEN || is_forwarding(owner)));
	if (!process) {
		/* The socket may have been of a session before, and its result have been missed. */
		await_no_more(sk);
		return 0;
	}
	number = syscall_number();
	if (state == TCP_SYN_SENT) {
		if ((number == X86_CONNECT || number == ARM64_CONNECT) && !process->connecting)
			process->connecting = mark_of(owner);
		else
			begun_note(owner);
	}
	network_send(process->session, sk, 1,
		     state == TCP_LISTEN ? OPERATION_LISTEN : OPERATION_CONNECT, via_of(number));
	return 0;
}

SYSCALL_EXIT(network_connect, PROBE_NETWORK_CONNECT)
{
	__u32 descriptor = exit_argument(context, 0);
	struct sock *sk = socket_at(descriptor);
	struct process *process = carrying_process(context->process, is_forwarded(sk, descriptor));
	struct attempt attempt = {.process = process};

	if (!process)
		return 0;
	attempt.session = process->session;
	attempt.sk = sk;
	attempt.address = exit_argument(context, 1);
	attempt.length = exit_argument(context, 2);
	attempt.result = context->result;
	attempt.via = context->via;
	return connect_end(&attempt);
}

SYSCALL_EXIT(network_accept, PROBE_NETWORK_ACCEPT)
{
	struct process *process = carrying_process(context->process, 1);
	struct attempt attempt = {};

	if (!process || context->result < 0)
		return 0;
	attempt.session = process->session;
	attempt.via = context->via;
	attempt.sk = socket_at(context->result);
	return accept_end(&attempt);
}
