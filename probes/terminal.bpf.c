/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What was on the screen of a client: what its login server reads from the side of a terminal that
 * is not the programs'. What is typed comes there only as far as it is echoed.
 */
#include "session.h"
#include "syscall.h"
#include "path.h"
#include "syscalls.h"
#include "terminal.h"

/* All that a login server does passes here before it begins a session, and little afterwards. */
#define reads_for_client(registers) (exit.process->session && is_server(exit.process))

/* The most records that one read gives. What is behind them is counted as left out. */
#define PIECES 8

/* Sends what was read from a file, if that is a terminal. */
static __noinline int terminal_take(__u64 session, struct file *file, __u64 from, __u64 length)
{
	struct tty_file_private *private;
	struct tty_struct *tty;

	if (!file || BPF_CORE_READ(file, f_inode, i_rdev) != PTMX)
		return 0;
	private = BPF_CORE_READ(file, private_data);
	tty = BPF_CORE_READ(private, tty, link);
	if (!tty)
		return 0;
#pragma nounroll
	for (__u32 piece = 1; piece < PIECES && length > TERMINAL_LENGTH; piece++) {
		terminal_send(session, (__u64)tty, from, TERMINAL_LENGTH);
		from += TERMINAL_LENGTH;
		length -= TERMINAL_LENGTH;
	}
	return terminal_send(session, (__u64)tty, from, length);
}

SYSCALL_EXIT_IF(terminal_read, PROBE_TERMINAL_READ, reads_for_client)
{
	struct process *process;

	if (context->result <= 0)
		return 0;
	process = recorded_process(context->process);
	return process && is_server(process)
		   ? terminal_take(process->session, file_of(exit_argument(context, 0)),
				   exit_argument(context, 1), context->result)
		   : 0;
}
