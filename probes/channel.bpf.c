/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * session.channel and session.resize: what the login server does for the channels of a connection
 * beside running programs. And that it begins to serve them, when a login is complete.
 */
#include "session.h"
#include "syscall.h"
#include "path.h"
#include "syscalls.h"
#include "terminal.h"

/* Sends what is known of the terminal `tty` of the channel that the process `leader` is for. */
static __noinline int channel_send(__u64 session, __u32 kind, struct tty_struct *tty, __u32 leader)
{
	struct channel *channel;
	struct slot *slot;

	slot = record_begin(session, FAMILY_SESSION, kind, sizeof(*channel));
	if (!slot)
		return 0;
	channel = (struct channel *)slot->record;
	channel->leader = leader;
	channel->terminal = 0;
	channel->rows = 0;
	channel->columns = 0;
	channel->unused = 0;
	if (tty) {
		channel->terminal =
		    BPF_CORE_READ(tty, driver, major) << 20 |
		    (BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index));
		channel->rows = BPF_CORE_READ(tty, winsize.ws_row);
		channel->columns = BPF_CORE_READ(tty, winsize.ws_col);
	}
	record_send(slot, &session_ring, FAMILY_SESSION, 0);
	return 0;
}

/* The login server has given another size to a terminal, which somebody has by now. */
static __noinline int resized(__u64 session, struct file *file)
{
	struct tty_file_private *private;
	struct tty_struct *tty;
	__u32 leader;

	if (!file || BPF_CORE_READ(file, f_inode, i_rdev) != PTMX)
		return 0;
	private = BPF_CORE_READ(file, private_data);
	tty = BPF_CORE_READ(private, tty, link);
	leader = tty ? leader_of(tty) : 0;
	if (tty)
		terminal_send(session, (__u64)tty, 0, 0);
	return leader ? channel_send(session, KIND_RESIZE, tty, leader) : 0;
}

static __always_inline int may_be_of_channel(struct pt_regs *registers)
{
	int first;

	if (is_obscure())
		return 1;
	first = argument_in(registers, 0, 1);
	return first == SIGCHLD || first == PR_SET_DUMPABLE ||
	       (__u32)argument_in(registers, 1, 1) == TIOCSWINSZ;
}

SYSCALL_EXIT_IF(channel_act, PROBE_CHANNEL_ACT, may_be_of_channel)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	int first = exit_argument(context, 0);
	struct process *process;

	if (context->result < 0)
		return 0;
	switch (context->number) {
	case X86_RT_SIGACTION:
	case ARM64_RT_SIGACTION:
		/* Only of sshd does that tell that the login is complete. */
		if (first == SIGCHLD && !recorded_process(context->process) && is_sshd(task) &&
		    serves_channels((__u64)task))
			broker_join((__u64)task);
		return 0;
	case X86_PRCTL:
	case ARM64_PRCTL:
		/* sshd begins so to serve files itself, in a process that runs no program. */
		process = first == PR_SET_DUMPABLE ? recorded_user(context->process) : NULL;
		if (!process || !process->is_channel)
			return 0;
		process->is_channel = 0;
		return channel_send(process->session, KIND_SUBSYSTEM,
				    BPF_CORE_READ(task, signal, tty), BPF_CORE_READ(task, tgid));
	default:
		process = (__u32)exit_argument(context, 1) == TIOCSWINSZ
			      ? recorded_process(context->process)
			      : NULL;
		return process && is_server(process) ? resized(process->session, file_of(first))
						     : 0;
	}
}
