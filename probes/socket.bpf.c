/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Sockets that are made for frames (session.packet_socket), and those of virtual machines that
 * listen. */
#include "packet_socket.h"
#include "syscall.h"
#include "syscalls.h"
#include "vsock.h"

/* Or socket, which is the other call that comes here. */
static __always_inline int is_listen(long number)
{
	return number == X86_LISTEN || number == ARM64_LISTEN;
}

static __always_inline int may_be_told(struct pt_regs *registers)
{
	return is_obscure() || (int)argument_in(registers, 0, 1) == AF_PACKET ||
	       is_listen(number_given(registers));
}

SYSCALL_EXIT_IF(network_socket, PROBE_NETWORK_SOCKET, may_be_told)
{
	struct process *process = recorded_user(context->process);
	struct attempt attempt = {};
	struct sock *sk;

	if (!process)
		return 0;
	if (!is_listen(context->number)) {
		if ((int)exit_argument(context, 0) == AF_PACKET)
			packet_socket_send(process->session, context->result,
					   exit_argument(context, 1), exit_argument(context, 2),
					   context->via);
		return 0;
	}
	attempt.session = process->session;
	sk = socket_at(exit_argument(context, 0));
	attempt.sk = sk;
	attempt.result = context->result;
	attempt.via = context->via;
	if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_VSOCK)
		vsock_send(&attempt, OPERATION_LISTEN);
	return 0;
}
